//! What a jar says of itself: whether it is one, and which class its manifest names to be run.

use std::io::{Read, Seek};
use zip::ZipArchive;
use zip::result::ZipError;

const MANIFEST: &str = "META-INF/MANIFEST.MF";
/// Largest manifest that is read, in bytes.
const MANIFEST_BYTES_MAX: u64 = 1024 * 1024;
/// What a zip archive begins with, and an empty one.
const MAGIC: [[u8; 4]; 2] = [*b"PK\x03\x04", *b"PK\x05\x06"];
/// Attributes that name the class to run. A cluster looks for its own one first.
const CLASS_ATTRIBUTES: [&str; 2] = ["program-class", "Main-Class"];

/// The class that the manifest of a jar names to be run; `None` where it names none, or there is no manifest.
///
/// # Errors
/// Says why the bytes are no jar.
pub(crate) fn main_class(bytes: &[u8]) -> Result<Option<String>, String> {
    if !MAGIC.iter().any(|magic| bytes.starts_with(magic)) {
        let what = "it does not begin as a zip archive does; give the bytes of a jar, or of a zip with its content";
        return Err(what.to_owned());
    }
    let mut archive = opened(std::io::Cursor::new(bytes))?;
    if archive.is_empty() {
        return Err("there is nothing in it".to_owned());
    }
    let manifest = match archive.by_name(MANIFEST) {
        Ok(manifest) => manifest,
        Err(ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(damaged(&error)),
    };
    let mut text = Vec::new();
    let read = manifest.take(MANIFEST_BYTES_MAX).read_to_end(&mut text);
    read.map_err(|error| format!("its manifest cannot be read: {error}"))?;
    Ok(named(&String::from_utf8_lossy(&text)))
}

/// Whether a jar has a class of this name.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn has_class(jar: impl Read + Seek, class: &str) -> Result<bool, String> {
    let entry = format!("{}.class", class.replace('.', "/"));
    let archive = opened(jar)?;
    Ok(archive.index_for_name(&entry).is_some())
}

fn opened<R: Read + Seek>(jar: R) -> Result<ZipArchive<R>, String> {
    ZipArchive::new(jar).map_err(|error| damaged(&error))
}

fn damaged(error: &ZipError) -> String {
    format!("it is a zip archive that cannot be read: {error}")
}

/// The class that the first section of a manifest names. A line that begins with a blank goes on the one before.
fn named(manifest: &str) -> Option<String> {
    let mut attributes: Vec<String> = Vec::new();
    for line in manifest.lines().take_while(|line| !line.trim().is_empty()) {
        match (line.strip_prefix(' '), attributes.last_mut()) {
            (Some(rest), Some(last)) => last.push_str(rest),
            _ => attributes.push(line.to_owned()),
        }
    }
    let value = |name: &str| {
        let pair = attributes.iter().filter_map(|line| line.split_once(':'));
        pair.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
    };
    CLASS_ATTRIBUTES.iter().find_map(|name| value(name)).filter(|class| !class.is_empty())
}

/// A jar with these entries.
#[cfg(test)]
pub(crate) fn of_entries(entries: &[(&str, &str)]) -> Vec<u8> {
    use std::io::Write;
    let mut jar = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        jar.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        jar.write_all(content.as_bytes()).unwrap();
    }
    jar.finish().unwrap().into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_class_of_a_manifest_is_read_as_java_writes_it() {
        for (manifest, class) in [
            ("Manifest-Version: 1.0\r\nMain-Class: a.b.Main\r\n\r\n", Some("a.b.Main")),
            ("Main-Class: a.\n Main\nCreated-By: x\n", Some("a.Main")),
            ("main-class: a.Main\nprogram-class: a.Job\n", Some("a.Job")),
            ("Manifest-Version: 1.0\n\nName: x\nMain-Class: not.This\n", None),
            ("Main-Class:\n", None),
            ("", None),
        ] {
            let jar = of_entries(&[(MANIFEST, manifest), ("a/Main.class", "x")]);
            assert_eq!(main_class(&jar).unwrap().as_deref(), class, "{manifest:?}");
        }
        let bare = of_entries(&[("a/Main.class", "x")]);
        assert_eq!(main_class(&bare), Ok(None));
        let has = |class: &str| has_class(std::io::Cursor::new(&bare), class).unwrap();
        assert!(has("a.Main") && !has("a.Other") && !has("Main"));
    }

    #[test]
    fn what_is_no_jar_is_told() {
        let whole = of_entries(&[("a", "b")]);
        for (bytes, told) in [
            (&b""[..], "does not begin as a zip archive"),
            (b"SELECT 1", "does not begin as a zip archive"),
            (&whole[..whole.len() - 5], "cannot be read"),
            (&of_entries(&[])[..], "nothing in it"),
        ] {
            assert!(main_class(bytes).unwrap_err().contains(told));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0usize..400, byte: u8) {
            let mut jar = of_entries(&[(MANIFEST, "Main-Class: a.Main\n"), ("a/Main.class", "x")]);
            let at = at % jar.len();
            jar[at] = byte;
            let _ = main_class(&jar);
            let _ = has_class(std::io::Cursor::new(&jar), "a.Main");
        }
    }
}
