//! The code of applications as the service's documents hold it: a script as text, a program as bytes or as an object's place.

use super::schema::Input;
use super::{Analytics, invalid, unsupported};
use crate::aws::ServiceError;
use crate::{Code, ObjectPlace, Program, ProgramError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use model::Kind;
use serde_json::{Value, json};

impl Analytics {
    /// The code that a code configuration holds, where `before` is what the application has; `None` where it holds none. The
    /// members of a request that changes end with `suffix`.
    pub(super) fn code(
        &self,
        code: Input<'_>,
        suffix: &str,
        content_type: Option<&str>,
        before: Option<&Code>,
    ) -> Result<Option<Code>, ServiceError> {
        let Some(content) = code.of(&format!("CodeContent{suffix}")) else {
            return Ok(None);
        };
        let text = content.text(&format!("TextContent{suffix}"));
        let bytes = content.text(&format!("ZipFileContent{suffix}"));
        let place = content.of(&format!("S3ContentLocation{suffix}"));
        if [text.is_some(), bytes.is_some(), place.is_some()].into_iter().filter(|given| *given).count() > 1 {
            return Err(invalid(
                "CodeContent holds one of TextContent, ZipFileContent and S3ContentLocation, not several.",
            ));
        }
        let is_program = bytes.is_some() || place.is_some();
        match content_type {
            Some("ZIPFILE") if text.is_some() => {
                return Err(invalid(
                    "TextContent is an SQL script, which goes with CodeContentType PLAINTEXT; give the jar of a program as \
                     ZipFileContent or S3ContentLocation.",
                ));
            }
            Some("PLAINTEXT") if is_program => {
                return Err(invalid(
                    "ZipFileContent and S3ContentLocation are of programs, which go with CodeContentType ZIPFILE; give an SQL \
                     script as TextContent.",
                ));
            }
            _ => {}
        }
        if let Some(bytes) = bytes {
            let bytes = BASE64.decode(bytes).map_err(|error| {
                ServiceError::serialization(format!("ZipFileContent{suffix} is not base64: {error}."))
            })?;
            return Ok(Some(
                self.programs()?.keep(&bytes).map_err(|error| refused(&error, "CodeValidationException"))?.into(),
            ));
        }
        if let Some(given) = place {
            let place = object_place(given, suffix, before.and_then(Code::program))?;
            return Ok(Some(
                self.programs()?.fetch(&place).map_err(|error| refused(&error, "InvalidArgumentException"))?.into(),
            ));
        }
        Ok(text.map(Code::from))
    }

    fn programs(&self) -> Result<&crate::Programs, ServiceError> {
        self.applications.programs().map(|programs| &**programs).map_err(|error| unsupported(error.to_string()))
    }
}

/// Where a program is to be fetched. A change names what differs from where the former one came from; its version is that of
/// the request, else the newest.
fn object_place(given: Input<'_>, suffix: &str, before: Option<&Program>) -> Result<ObjectPlace, ServiceError> {
    let before = before.and_then(|program| program.from.as_ref());
    let said = |name: &str| given.text(&format!("{name}{suffix}")).map(str::to_owned);
    let missing = |name: &str| {
        invalid(format!(
            "S3ContentLocation{suffix}.{name}{suffix} has to be given: the code comes from no bucket so far."
        ))
    };
    let bucket_arn = said("BucketARN").or_else(|| before.map(|place| place.bucket_arn.clone()));
    let key = said("FileKey").or_else(|| before.map(|place| place.key.clone()));
    Ok(ObjectPlace {
        bucket_arn: bucket_arn.ok_or_else(|| missing("BucketARN"))?,
        key: key.ok_or_else(|| missing("FileKey"))?,
        version: said("ObjectVersion"),
    })
}

/// A program that is refused: under this name where the request is wrong.
fn refused(error: &ProgramError, code: &'static str) -> ServiceError {
    match error.kind {
        Kind::Invalid | Kind::NotFound => ServiceError::new(code, error.to_string()),
        _ => ServiceError::internal(error.to_string()),
    }
}

/// The code of a version.
pub(super) fn described(code: &Code) -> Value {
    let program = match code {
        Code::Script(script) => {
            return json!({ "CodeContentType": "PLAINTEXT", "CodeContentDescription": { "TextContent": script } });
        }
        Code::Program(program) => program,
    };
    let mut content = json!({ "CodeMD5": program.md5, "CodeSize": program.bytes });
    if let Some(place) = &program.from {
        let mut location = json!({ "BucketARN": place.bucket_arn, "FileKey": place.key });
        if let Some(version) = &place.version {
            location["ObjectVersion"] = json!(version);
        }
        content["S3ApplicationCodeLocationDescription"] = location;
    }
    json!({ "CodeContentType": "ZIPFILE", "CodeContentDescription": content })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(from: Option<ObjectPlace>) -> Program {
        Program { sha256: "s".into(), md5: "m".into(), bytes: 7, main_class: None, from }
    }

    fn place(key: &str, version: Option<&str>) -> ObjectPlace {
        let version = version.map(str::to_owned);
        ObjectPlace { bucket_arn: "arn:aws:s3:::b".into(), key: key.into(), version }
    }

    #[test]
    fn a_change_of_a_place_says_what_differs() {
        let before = program(Some(place("a.jar", Some("1"))));
        for (given, before, is) in [
            (json!({}), Some(&before), Ok(place("a.jar", None))),
            (json!({ "FileKeyUpdate": "c.jar" }), Some(&before), Ok(place("c.jar", None))),
            (json!({ "ObjectVersionUpdate": "2" }), Some(&before), Ok(place("a.jar", Some("2")))),
            (json!({ "FileKeyUpdate": "c.jar" }), None, Err("S3ContentLocationUpdate.BucketARNUpdate")),
        ] {
            match (object_place(Input(&given), "Update", before), is) {
                (Ok(found), Ok(is)) => assert_eq!(found, is),
                (Err(error), Err(told)) => assert!(error.message.contains(told), "{error}"),
                (found, is) => panic!("{found:?} {is:?}"),
            }
        }
    }

    #[test]
    fn code_is_described_as_what_it_is() {
        let described = |code: Code| described(&code)["CodeContentDescription"].clone();
        assert_eq!(described("SELECT 1".into()), json!({ "TextContent": "SELECT 1" }));
        assert_eq!(described(program(None).into()), json!({ "CodeMD5": "m", "CodeSize": 7 }));
        assert_eq!(
            described(program(Some(place("a", Some("1")))).into())["S3ApplicationCodeLocationDescription"],
            json!({ "BucketARN": "arn:aws:s3:::b", "FileKey": "a", "ObjectVersion": "1" })
        );
    }
}
