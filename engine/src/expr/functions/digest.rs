//! Digests and codes of text.

use super::super::EvalError;
use super::super::calendar::push;
use super::super::function::{Kernel, ScalarFunction, Signature};
use super::super::value::Value;
use super::kernels::{Integers, Want, build_text, or_null, texts, wanting};
use super::{Expr, type_list};
use crate::types::DataType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use Want::{Integer, Text};

macro_rules! of_text {
    ($name:literal, $returns:expr, $f:expr) => {
        ScalarFunction {
            name: $name,
            signature: |args| wanting($name, args, &[Text], 0, $returns),
            prepare: |_| map($f),
            can_fail: false,
        }
    };
}

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    of_text!("MD5", DataType::Char(32), |s, out| hex(&Md5::digest(s), false, out)),
    of_text!("SHA1", DataType::Char(40), |s, out| hex(&sha1::Sha1::digest(s), false, out)),
    of_text!("SHA224", DataType::Char(56), |s, out| hex(&sha2::Sha224::digest(s), false, out)),
    of_text!("SHA256", DataType::Char(64), |s, out| hex(&sha2::Sha256::digest(s), false, out)),
    of_text!("SHA384", DataType::Char(96), |s, out| hex(&sha2::Sha384::digest(s), false, out)),
    of_text!("SHA512", DataType::Char(128), |s, out| hex(&sha2::Sha512::digest(s), false, out)),
    of_text!("TO_BASE64", DataType::STRING, |s, out| STANDARD.encode_string(s, out)),
    ScalarFunction {
        name: "FROM_BASE64",
        signature: |args| or_null(wanting("FROM_BASE64", args, &[Text], 0, DataType::STRING)),
        prepare: |_| from_base64(),
        can_fail: false,
    },
    ScalarFunction { name: "HEX", signature: hex_types, prepare: |_| to_hex(), can_fail: false },
    ScalarFunction {
        name: "BIN",
        signature: |args| wanting("BIN", args, &[Integer], 0, DataType::STRING),
        prepare: |_| bin(),
        can_fail: false,
    },
];

fn map(f: fn(&str, &mut String)) -> Result<Kernel, EvalError> {
    Ok(Box::new(move |args: &[Value], rows| {
        let text = texts(&args[0])?;
        build_text(rows, |row, out| Ok(text.get(row).map(|s| f(s, out)).is_some()))
    }))
}

fn hex(bytes: &[u8], upper: bool, out: &mut String) {
    for byte in bytes {
        if upper {
            push(out, format_args!("{byte:02X}"));
        } else {
            push(out, format_args!("{byte:02x}"));
        }
    }
}

/// Null where the text is no base64, or not that of a text.
fn from_base64() -> Result<Kernel, EvalError> {
    Ok(Box::new(|args: &[Value], rows| {
        let text = texts(&args[0])?;
        build_text(rows, |row, out| {
            let decoded = text.get(row).and_then(|s| STANDARD.decode(s).ok()).and_then(|b| String::from_utf8(b).ok());
            Ok(decoded.map(|d| out.push_str(&d)).is_some())
        })
    }))
}

fn hex_types(args: &[Expr]) -> Result<Signature, String> {
    let number = args.first().is_some_and(|a| a.data_type.is_integer());
    let want = if number { Integer } else { Text };
    wanting("HEX", args, &[want], 0, DataType::STRING)
        .map_err(|_| format!("HEX takes a text or an integer, found ({})", type_list(args)))
}

fn to_hex() -> Result<Kernel, EvalError> {
    Ok(Box::new(|args: &[Value], rows| {
        let (text, number) = (texts(&args[0]).ok(), Integers::of(&args[0]));
        build_text(rows, |row, out| match &text {
            Some(text) => Ok(text.get(row).map(|s| hex(s.as_bytes(), true, out)).is_some()),
            None => Ok(number.get(row)?.map(|n| push(out, format_args!("{n:X}"))).is_some()),
        })
    }))
}

fn bin() -> Result<Kernel, EvalError> {
    Ok(Box::new(|args: &[Value], rows| {
        let number = Integers::of(&args[0]);
        build_text(rows, |row, out| Ok(number.get(row)?.map(|n| push(out, format_args!("{n:b}"))).is_some()))
    }))
}
