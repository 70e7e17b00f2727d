//! `hailstream audit`: the audit log of a data directory, checked and shown; the platform may be running.

use super::{Failure, say, say_error};
use crate::audit::{Entry, FOLDER, newest, verify};
use crate::cli::{AuditAction, AuditArgs, AuditPlace};
use chrono::{DateTime, SecondsFormat};
use serde_json::json;
use std::path::PathBuf;

pub(super) fn run(args: AuditArgs) -> Result<(), Failure> {
    match args.action {
        AuditAction::Verify { place, holds } => check(&place, holds.as_deref()),
        AuditAction::Show { place, number } => show(&place, number),
    }
}

fn folder(place: &AuditPlace) -> Result<PathBuf, Failure> {
    let folder = place.data_dir.join(FOLDER);
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(format!("{} holds no audit log; name the platform's data directory with --data-dir", place.data_dir.display())
        .into())
}

fn check(place: &AuditPlace, holds: Option<&str>) -> Result<(), Failure> {
    let head = holds.map(head).transpose()?;
    let found = verify(&folder(place)?, head)?;
    if found.unfinished > 0 {
        say_error(&format!("the last line is not whole ({} bytes): it is being written", found.unfinished));
    }
    if place.json {
        let told = json!({
            "first": found.first, "last": found.last, "hash": found.hash, "holds": found.holds_head,
        });
        say(&told.to_string());
    } else if found.last == 0 {
        say("the log is whole: it has no entry yet");
    } else {
        say(&format!("the log is whole: entries {} to {}", found.first, found.last));
        say(&format!(
            "head {}:{}   (note it elsewhere; --holds tells later whether it is still there)",
            found.last, found.hash
        ));
    }
    match (found.holds_head, holds) {
        (Some(false), Some(holds)) => Err(format!(
            "the log does not hold {holds}: it was cut or written anew, or that entry was removed with its file"
        )
        .into()),
        _ => Ok(()),
    }
}

fn head(text: &str) -> Result<(u64, &str), Failure> {
    let head = text.split_once(':').and_then(|(number, hash)| Some((number.parse().ok()?, hash)));
    head.ok_or_else(|| format!("{text:?} is no head: it is NUMBER:HASH, as verify tells it").into())
}

fn show(place: &AuditPlace, number: usize) -> Result<(), Failure> {
    for entry in newest(&folder(place)?, None, number)?.iter().rev() {
        if place.json {
            say(&serde_json::to_string(entry)?);
        } else {
            say(&line(entry));
        }
    }
    Ok(())
}

/// An entry in one line. Texts in it came from outside: what would steer a terminal is shown as it is written.
fn line(entry: &Entry) -> String {
    let at = DateTime::from_timestamp_millis(entry.at_ms as i64).unwrap_or_default();
    let text = |text: &Option<String>| text.as_deref().unwrap_or("-").escape_debug().to_string();
    let mut out = format!(
        "{:>7} {} {:<13} {:<7} {} {} {}",
        entry.number,
        at.to_rfc3339_opts(SecondsFormat::Millis, true),
        entry.event.name(),
        text(&entry.door),
        text(&entry.key),
        text(&entry.role),
        text(&entry.address),
    );
    for (name, value) in [("", &entry.operation), ("", &entry.subject), ("note: ", &entry.note)] {
        if value.is_some() {
            out += &format!(" {name}{}", text(value));
        }
    }
    let numbers = [entry.of.map(|of| format!(" of {of}")), entry.status.map(|status| format!(" status {status}"))];
    out + &numbers.into_iter().flatten().collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn an_entry_is_one_line_whatever_stands_in_it() {
        let told: Value = json!({
            "number": 7, "at_ms": 1_700_000_000_000_u64, "event": "ended", "of": 6, "door": "aws", "operation": "DeleteStream",
            "subject": "a\u{1b}[2Jb\nc", "key": "A", "role": "admin", "address": "::1", "status": 400,
            "note": "ResourceNotFoundException", "previous": "00",
        });
        let shown = line(&serde_json::from_value(told).unwrap());
        assert_eq!(
            shown,
            "      7 2023-11-14T22:13:20.000Z ended         aws     A admin ::1 DeleteStream a\\u{1b}[2Jb\\nc \
             note: ResourceNotFoundException of 6 status 400"
        );
    }

    #[test]
    fn a_head_is_a_number_and_a_hash() {
        assert_eq!(head("12:ab").unwrap(), (12, "ab"));
        for wrong in ["", "12", "x:ab", ":ab"] {
            assert!(head(wrong).unwrap_err().to_string().contains("is no head"), "{wrong}");
        }
    }
}
