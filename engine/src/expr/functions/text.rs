//! Functions of text. Places and lengths count code points.

use super::super::EvalError;
use super::super::function::{Kernel, ScalarFunction, Signature};
use super::super::value::Value;
use super::kernels::{Integers, Want, build_numbers, build_text, or_null, texts, wanting};
use super::{Expr, type_list};
use crate::types::DataType;
use arrow_array::types::Int32Type;

use Want::{Integer, Text};

fn same(args: &[Expr]) -> DataType {
    args.first().map_or(DataType::STRING, |a| a.data_type)
}

fn string(_: &[Expr]) -> DataType {
    DataType::STRING
}

fn int(_: &[Expr]) -> DataType {
    DataType::Int
}

/// The type of what is made of a text without growing.
fn no_longer(args: &[Expr]) -> DataType {
    match args.first().map(|a| a.data_type) {
        Some(DataType::Char(n) | DataType::Varchar(n)) => DataType::Varchar(n),
        _ => DataType::STRING,
    }
}

/// The type of a text with another one put into it.
fn overlaid(args: &[Expr]) -> DataType {
    match joined(args.get(..2).unwrap_or_default()) {
        DataType::Char(n) | DataType::Varchar(n) => DataType::Varchar(n),
        other => other,
    }
}

/// The type of all texts, one after the other.
fn joined(args: &[Expr]) -> DataType {
    let length = |a: &Expr| match a.data_type {
        DataType::Char(n) | DataType::Varchar(n) => n,
        _ => i32::MAX as u32,
    };
    let total = args.iter().fold(0_u32, |sum, a| sum.saturating_add(length(a)).min(i32::MAX as u32));
    if args.iter().all(|a| matches!(a.data_type, DataType::Char(_))) {
        DataType::Char(total)
    } else {
        DataType::Varchar(total)
    }
}

macro_rules! function {
    ($name:literal, [$($want:ident),*], $optional:literal, $returns:expr, $prepare:expr) => {
        ScalarFunction {
            name: $name,
            signature: |args| wanting($name, args, &[$($want),*], $optional, ($returns)(args)),
            prepare: $prepare,
            can_fail: false,
        }
    };
    ($name:literal, [$($want:ident),*], $optional:literal, null $returns:expr, $prepare:expr) => {
        ScalarFunction {
            name: $name,
            signature: |args| or_null(wanting($name, args, &[$($want),*], $optional, ($returns)(args))),
            prepare: $prepare,
            can_fail: false,
        }
    };
}

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function!("UPPER", [Text], 0, same, |_| map(|s, out| out.push_str(&s.to_uppercase()))),
    function!("LOWER", [Text], 0, same, |_| map(|s, out| out.push_str(&s.to_lowercase()))),
    function!("INITCAP", [Text], 0, same, |_| map(initcap)),
    function!("REVERSE", [Text], 0, string, |_| map(|s, out| out.extend(s.chars().rev()))),
    function!("CHAR_LENGTH", [Text], 0, int, |_| char_length()),
    function!("CHARACTER_LENGTH", [Text], 0, int, |_| char_length()),
    function!("ASCII", [Text], 0, int, |_| ascii()),
    function!("CHR", [Integer], 0, string, |_| chr()),
    function!("TRIM", [Text], 0, no_longer, |_| trim(true, true)),
    function!("LTRIM", [Text, Text], 1, no_longer, |_| trim(true, false)),
    function!("RTRIM", [Text, Text], 1, no_longer, |_| trim(false, true)),
    function!("BTRIM", [Text, Text], 1, no_longer, |_| trim(true, true)),
    function!("REPLACE", [Text, Text, Text], 0, string, |_| replace()),
    function!("REPEAT", [Text, Integer], 0, string, |_| repeat()),
    function!("SUBSTRING", [Text, Integer, Integer], 1, null no_longer, |_| substring()),
    function!("SUBSTR", [Text, Integer, Integer], 1, null no_longer, |_| substring()),
    function!("LEFT", [Text, Integer], 0, no_longer, |_| end_of(true)),
    function!("RIGHT", [Text, Integer], 0, no_longer, |_| end_of(false)),
    function!("LPAD", [Text, Integer, Text], 0, null string, |_| pad(true)),
    function!("RPAD", [Text, Integer, Text], 0, null string, |_| pad(false)),
    function!("OVERLAY", [Text, Text, Integer, Integer], 1, overlaid, |_| overlay()),
    function!("POSITION", [Text, Text], 0, int, |_| position(0, 1)),
    function!("LOCATE", [Text, Text, Integer], 1, int, |_| position(0, 1)),
    function!("INSTR", [Text, Text], 0, int, |_| position(1, 0)),
    ScalarFunction { name: "CONCAT", signature: concat_types, prepare: |_| concat(), can_fail: false },
    ScalarFunction { name: "||", signature: join_types, prepare: |_| concat(), can_fail: false },
    ScalarFunction { name: "CONCAT_WS", signature: concat_types, prepare: |_| concat_ws(), can_fail: false },
    ScalarFunction { name: "SPLIT_INDEX", signature: split_types, prepare: |_| split_index(), can_fail: false },
];

/// Longest text that a function makes, in bytes: beyond it the result is refused, not half written.
const LENGTH_MAX: usize = 64 << 20;

fn map(f: fn(&str, &mut String)) -> Result<Kernel, EvalError> {
    Ok(Box::new(move |args: &[Value], rows| {
        let text = texts(&args[0])?;
        build_text(rows, |row, out| Ok(text.get(row).map(|s| f(s, out)).is_some()))
    }))
}

/// Words are made of ASCII letters and digits; all else stays as it is.
fn initcap(text: &str, out: &mut String) {
    let mut inside = false;
    for c in text.chars() {
        out.push(if inside { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() });
        inside = c.is_ascii_alphanumeric();
    }
}

fn char_length() -> Result<Kernel, EvalError> {
    Ok(Box::new(|args: &[Value], rows| {
        let text = texts(&args[0])?;
        build_numbers::<Int32Type>(rows, |row| Ok(text.get(row).map(|s| s.chars().count() as i32)))
    }))
}

fn ascii() -> Result<Kernel, EvalError> {
    Ok(Box::new(|args: &[Value], rows| {
        let text = texts(&args[0])?;
        // The first byte as Java sees it: signed.
        build_numbers::<Int32Type>(rows, |row| {
            Ok(text.get(row).map(|s| s.bytes().next().map_or(0, |b| i32::from(b as i8))))
        })
    }))
}

fn chr() -> Result<Kernel, EvalError> {
    Ok(Box::new(|args: &[Value], rows| {
        let code = Integers::of(&args[0]);
        build_text(rows, |row, out| {
            let Some(code) = code.get(row)? else { return Ok(false) };
            // Codes beyond one byte begin anew; negative ones are nothing.
            if code >= 0 {
                out.push(char::from((code % 256) as u8));
            }
            Ok(true)
        })
    }))
}

/// Takes characters of the second argument (blanks without one) off the ends.
fn trim(start: bool, end: bool) -> Result<Kernel, EvalError> {
    Ok(Box::new(move |args: &[Value], rows| {
        let text = texts(&args[0])?;
        let what = args.get(1).map(texts).transpose()?;
        build_text(rows, |row, out| {
            let (Some(s), Some(what)) = (text.get(row), what.as_ref().map_or(Some(" "), |w| w.get(row))) else {
                return Ok(false);
            };
            let mut kept = s;
            if start {
                kept = kept.trim_start_matches(|c| what.contains(c));
            }
            if end {
                kept = kept.trim_end_matches(|c| what.contains(c));
            }
            out.push_str(kept);
            Ok(true)
        })
    }))
}

fn replace() -> Result<Kernel, EvalError> {
    Ok(Box::new(|args: &[Value], rows| {
        let (text, from, to) = (texts(&args[0])?, texts(&args[1])?, texts(&args[2])?);
        build_text(rows, |row, out| {
            let (Some(s), Some(from), Some(to)) = (text.get(row), from.get(row), to.get(row)) else { return Ok(false) };
            out.push_str(&s.replace(from, to));
            Ok(true)
        })
    }))
}

fn repeat() -> Result<Kernel, EvalError> {
    Ok(Box::new(|args: &[Value], rows| {
        let (text, count) = (texts(&args[0])?, Integers::of(&args[1]));
        build_text(rows, |row, out| {
            let (Some(s), Some(count)) = (text.get(row), count.get(row)?) else { return Ok(false) };
            let count = usize::try_from(count).unwrap_or(0);
            refuse_long(s.len().saturating_mul(count))?;
            out.push_str(&s.repeat(count));
            Ok(true)
        })
    }))
}

fn refuse_long(length: usize) -> Result<(), EvalError> {
    if length <= LENGTH_MAX {
        return Ok(());
    }
    Err(EvalError::new(format!("a text of {length} bytes would be made, {LENGTH_MAX} are possible")))
}

/// The place in bytes of the code point `index`, or the end.
fn byte_at(text: &str, index: usize) -> usize {
    text.char_indices().nth(index).map_or(text.len(), |(at, _)| at)
}

fn substring() -> Result<Kernel, EvalError> {
    Ok(Box::new(|args: &[Value], rows| {
        let (text, start) = (texts(&args[0])?, Integers::of(&args[1]));
        let length = args.get(2).map(Integers::of);
        build_text(rows, |row, out| {
            let (Some(s), Some(start)) = (text.get(row), start.get(row)?) else { return Ok(false) };
            let length = match &length {
                None => i64::MAX,
                Some(length) => match length.get(row)? {
                    Some(length) if length >= 0 => length,
                    _ => return Ok(false),
                },
            };
            let from = match start {
                0 => 0,
                1.. => start - 1,
                _ => start.saturating_add(s.chars().count() as i64),
            };
            // What begins before the text is nothing.
            if from < 0 {
                return Ok(true);
            }
            let begin = byte_at(s, usize::try_from(from).unwrap_or(usize::MAX));
            let rest = &s[begin..];
            out.push_str(&rest[..byte_at(rest, usize::try_from(length).unwrap_or(0))]);
            Ok(true)
        })
    }))
}

/// `LEFT` and `RIGHT`.
fn end_of(left: bool) -> Result<Kernel, EvalError> {
    Ok(Box::new(move |args: &[Value], rows| {
        let (text, count) = (texts(&args[0])?, Integers::of(&args[1]));
        build_text(rows, |row, out| {
            let (Some(s), Some(count)) = (text.get(row), count.get(row)?) else { return Ok(false) };
            let count = usize::try_from(count).unwrap_or(0);
            if left {
                out.push_str(&s[..byte_at(s, count)]);
            } else {
                out.push_str(&s[byte_at(s, s.chars().count().saturating_sub(count))..]);
            }
            Ok(true)
        })
    }))
}

/// `LPAD` and `RPAD`: cut what is too long too; null for a negative length or nothing to pad with. Lengths are in
/// UTF-16 units, as in Java.
fn pad(left: bool) -> Result<Kernel, EvalError> {
    Ok(Box::new(move |args: &[Value], rows| {
        let (text, length, with) = (texts(&args[0])?, Integers::of(&args[1]), texts(&args[2])?);
        build_text(rows, |row, out| {
            let (Some(s), Some(length), Some(with)) = (text.get(row), length.get(row)?, with.get(row)) else {
                return Ok(false);
            };
            let Ok(length) = usize::try_from(length) else { return Ok(false) };
            if with.is_empty() {
                return Ok(false);
            }
            refuse_long(length)?;
            let kept: Vec<u16> = s.encode_utf16().take(length).collect();
            let with: Vec<u16> = with.encode_utf16().collect();
            let padding: Vec<u16> = with.into_iter().cycle().take(length - kept.len()).collect();
            push_units(out, &if left { [padding, kept].concat() } else { [kept, padding].concat() });
            Ok(true)
        })
    }))
}

/// Appends UTF-16 units; one half of a pair becomes `?`, as where Java writes it out.
fn push_units(out: &mut String, units: &[u16]) {
    out.extend(char::decode_utf16(units.iter().copied()).map(|c| c.unwrap_or('?')));
}

/// Puts text in the place of other text. What would follow is left out where the replaced part reaches the end, or has
/// no length. Places are in UTF-16 units, as in Java.
fn overlay() -> Result<Kernel, EvalError> {
    Ok(Box::new(|args: &[Value], rows| {
        let (text, by, start) = (texts(&args[0])?, texts(&args[1])?, Integers::of(&args[2]));
        let length = args.get(3).map(Integers::of);
        build_text(rows, |row, out| {
            let (Some(s), Some(by), Some(start)) = (text.get(row), by.get(row), start.get(row)?) else {
                return Ok(false);
            };
            let by: Vec<u16> = by.encode_utf16().collect();
            let length = match &length {
                None => by.len() as i64,
                Some(length) => match length.get(row)? {
                    Some(length) => length,
                    None => return Ok(false),
                },
            };
            let units: Vec<u16> = s.encode_utf16().collect();
            let present = units.len() as i64;
            if start <= 0 || start > present {
                out.push_str(s);
                return Ok(true);
            }
            let rest = start.saturating_add(length);
            let after = if length > 0 && rest <= present { &units[rest as usize - 1..] } else { &[] };
            push_units(out, &[&units[..start as usize - 1], &by, after].concat());
            Ok(true)
        })
    }))
}

/// Where one text stands in another, from 1; 0 where it does not. A third argument says where to begin.
fn position(what: usize, within: usize) -> Result<Kernel, EvalError> {
    Ok(Box::new(move |args: &[Value], rows| {
        let (what, within) = (texts(&args[what])?, texts(&args[within])?);
        let from = args.get(2).map(Integers::of);
        build_numbers::<Int32Type>(rows, |row| {
            let (Some(what), Some(within)) = (what.get(row), within.get(row)) else { return Ok(None) };
            let from = match &from {
                None => 1,
                Some(from) => match from.get(row)? {
                    Some(from) => from,
                    None => return Ok(None),
                },
            };
            let skipped = usize::try_from(from.saturating_sub(1)).unwrap_or(0);
            let begin = byte_at(within, skipped);
            let found = within[begin..].find(what);
            Ok(Some(found.map_or(0, |at| (within[..begin + at].chars().count() + 1) as i32)))
        })
    }))
}

fn concat_types(args: &[Expr]) -> Result<Signature, String> {
    let text = |a: &Expr| a.data_type.is_text() || a.data_type == DataType::Null;
    if args.is_empty() || !args.iter().all(text) {
        return Err(format!("texts are wanted, found ({}); CAST them AS STRING", type_list(args)));
    }
    Ok(Signature { args: vec![DataType::STRING; args.len()], returns: DataType::STRING, nullable: false })
}

fn join_types(args: &[Expr]) -> Result<Signature, String> {
    concat_types(args).map(|s| Signature { returns: joined(args), ..s })
}

fn concat() -> Result<Kernel, EvalError> {
    Ok(Box::new(|args: &[Value], rows| {
        let parts = args.iter().map(texts).collect::<Result<Vec<_>, _>>()?;
        build_text(rows, |row, out| {
            for part in &parts {
                let Some(s) = part.get(row) else { return Ok(false) };
                out.push_str(s);
            }
            Ok(true)
        })
    }))
}

/// Joins what is not null.
fn concat_ws() -> Result<Kernel, EvalError> {
    Ok(Box::new(|args: &[Value], rows| {
        let parts = args.iter().map(texts).collect::<Result<Vec<_>, _>>()?;
        build_text(rows, |row, out| {
            let Some(separator) = parts[0].get(row) else { return Ok(false) };
            for (i, s) in parts[1..].iter().filter_map(|p| p.get(row)).enumerate() {
                if i > 0 {
                    out.push_str(separator);
                }
                out.push_str(s);
            }
            Ok(true)
        })
    }))
}

fn split_types(args: &[Expr]) -> Result<Signature, String> {
    let by_code = args.get(1).is_some_and(|a| a.data_type.is_integer());
    let wants = if by_code { [Text, Integer, Integer] } else { [Text, Text, Integer] };
    or_null(wanting("SPLIT_INDEX", args, &wants, 0, DataType::STRING))
}

/// The part at an index from 0; empty parts count; null past the end, for a negative index, and for an empty text.
fn split_index() -> Result<Kernel, EvalError> {
    Ok(Box::new(|args: &[Value], rows| {
        let (text, index) = (texts(&args[0])?, Integers::of(&args[2]));
        let (separator, code) = (texts(&args[1]).ok(), Integers::of(&args[1]));
        build_text(rows, |row, out| {
            let by = match &separator {
                Some(texts) => texts.get(row).map(str::to_owned),
                None => code.get(row)?.and_then(|c| u8::try_from(c).ok()).map(|c| char::from(c).to_string()),
            };
            let (Some(s), Some(by), Some(index)) = (text.get(row), by, index.get(row)?) else { return Ok(false) };
            let Ok(index) = usize::try_from(index) else { return Ok(false) };
            if s.is_empty() {
                return Ok(false);
            }
            let part = match by.as_str() {
                "" => s.split(char::is_whitespace).nth(index),
                by => s.split(by).nth(index),
            };
            Ok(part.map(|p| out.push_str(p)).is_some())
        })
    }))
}
