//! A script as a cluster goes on with it that another runner has begun: sources begin at the records that open windows need, and
//! windows that were closed before are left out.

use crate::script::{Places, Statement, word};
use chrono::DateTime;
use control::{Handover, RunnerError, StartAt};
use model::Kind;
use sqlparser::dialect::GenericDialect;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use std::ops::Range;

/// Functions that put rows into windows.
const WINDOWS: [&str; 3] = ["TUMBLE", "HOP", "CUMULATE"];

/// Options of streams that say where reading begins, of the two generations of their connector: the place, and the time.
const STREAM_STARTS: [[&str; 2]; 2] =
    [["scan.stream.initpos", "scan.stream.initpos-timestamp"], ["source.init.position", "source.init.timestamp"]];

/// Has a table begin where the handover says.
pub(crate) fn begin_at(pairs: &mut Vec<(String, String)>, connector: &str, start: StartAt) {
    let options: Vec<(&str, String)> = match connector {
        "kinesis" => {
            let is_newer = pairs.iter().any(|(key, _)| key.starts_with("source."));
            let [place, time] = STREAM_STARTS[usize::from(is_newer)];
            pairs.retain(|(key, _)| !STREAM_STARTS.as_flattened().contains(&key.as_str()));
            match start {
                StartAt::Oldest => vec![(place, "TRIM_HORIZON".to_owned())],
                StartAt::Arrived(ms) => {
                    vec![(place, "AT_TIMESTAMP".to_owned()), (time, format!("{}.{:03}", ms / 1_000, ms % 1_000))]
                }
            }
        }
        "kafka" => {
            let (mode, time) = ("scan.startup.mode", "scan.startup.timestamp-millis");
            pairs.retain(|(key, _)| !key.starts_with("scan.startup."));
            match start {
                StartAt::Oldest => vec![(mode, "earliest-offset".to_owned())],
                StartAt::Arrived(ms) => vec![(mode, "timestamp".to_owned()), (time, ms.to_string())],
            }
        }
        _ => Vec::new(),
    };
    pairs.extend(options.into_iter().map(|(key, value)| (key.to_owned(), value)));
}

/// The statement with all of its windows but those that were closed before.
///
/// # Errors
/// When it puts rows into windows by functions of the older kind, from which none can be left out.
pub(crate) fn without_closed(statement: &Statement, handover: &Handover) -> Result<String, RunnerError> {
    let Some(closed_ms) = handover.closed_ms else { return Ok(statement.text.clone()) };
    let tokens = Tokenizer::new(&GenericDialect {}, &statement.text).with_unescape(false).tokenize_with_location();
    let tokens = tokens.map_err(|error| wrong(statement.line, &error.message))?;
    let tokens: Vec<&TokenWithSpan> = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    let (places, ends_after) = (Places::of(&statement.text), after(closed_ms, handover.zoned));
    let (mut text, mut copied) = (String::new(), 0);
    for at in 0..tokens.len() {
        let Some(range) = windows_at(statement, &places, &tokens, at)? else { continue };
        text.push_str(&statement.text[copied..range.start]);
        text.push_str(&format!("(SELECT * FROM {} WHERE window_end > {ends_after})", &statement.text[range.clone()]));
        copied = range.end;
    }
    text.push_str(&statement.text[copied..]);
    Ok(text)
}

/// A window closes when the watermark is a millisecond before its end.
fn after(closed_ms: i64, zoned: bool) -> String {
    let ms = closed_ms.saturating_add(1);
    let moment = format!("TO_TIMESTAMP_LTZ({ms}, 3)");
    match DateTime::from_timestamp_millis(ms) {
        // Their own clock, whatever that of the session is.
        Some(time) if !zoned => format!("TIMESTAMP '{}'", time.format("%Y-%m-%d %H:%M:%S%.3f")),
        _ => format!("CAST({moment} AS TIMESTAMP(3))"),
    }
}

/// Where `TABLE(TUMBLE(…))` stands that begins at a token.
fn windows_at(
    statement: &Statement,
    places: &Places<'_>,
    tokens: &[&TokenWithSpan],
    at: usize,
) -> Result<Option<Range<usize>>, RunnerError> {
    let is = |at: usize, token: &Token| tokens.get(at).is_some_and(|found| found.token == *token);
    let is_window = |at: usize| WINDOWS.contains(&word(tokens, at).as_str()) && is(at + 1, &Token::LParen);
    if is_window(at) && !(at >= 2 && is(at - 1, &Token::LParen) && word(tokens, at - 2) == "TABLE") {
        let what = format!(
            "{} stands in GROUP BY; write it as FROM TABLE({0}(TABLE t, DESCRIPTOR(…), …)): windows of the older kind cannot be handed over",
            word(tokens, at)
        );
        return Err(wrong(statement.line, &what));
    }
    if word(tokens, at) != "TABLE" || !is(at + 1, &Token::LParen) || !is_window(at + 2) {
        return Ok(None);
    }
    let mut depth = 0_usize;
    for token in &tokens[at + 1..] {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok(Some(places.offset(tokens[at].span.start)..places.offset(token.span.end)));
        }
    }
    Err(wrong(statement.line, "a parenthesis is not closed"))
}

fn wrong(line: u64, what: &str) -> RunnerError {
    RunnerError::new(Kind::Invalid, format!("line {line}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::statements;

    fn handover(closed_ms: i64, zoned: bool) -> Handover {
        Handover { closed_ms: Some(closed_ms), zoned, ..Handover::default() }
    }

    fn rewritten(script: &str, handover: &Handover) -> String {
        without_closed(&statements(script).unwrap()[0], handover).unwrap()
    }

    #[test]
    fn closed_windows_are_left_out_wherever_a_script_has_windows() {
        let tumble = "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR))";
        let hop = "TABLE ( HOP ( DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SLIDE => INTERVAL '1' MINUTES, SIZE => INTERVAL '1' HOUR ) )";
        let script = format!(
            "INSERT INTO a SELECT 'é', COUNT(*) FROM {tumble} AS w GROUP BY window_start UNION ALL SELECT 1 FROM {hop}"
        );
        let closed = "WHERE window_end > TIMESTAMP '2016-01-06 07:00:00.000'";
        let expected = script
            .replace(tumble, &format!("(SELECT * FROM {tumble} {closed})"))
            .replace(hop, &format!("(SELECT * FROM {hop} {closed})"));
        let at = 1_452_063_599_999;
        assert_eq!(rewritten(&script, &handover(at, false)), expected);
        let zoned = rewritten(&script, &handover(at, true));
        assert!(
            zoned.contains("WHERE window_end > CAST(TO_TIMESTAMP_LTZ(1452063600000, 3) AS TIMESTAMP(3))"),
            "{zoned}"
        );
        assert_eq!(rewritten(&script, &Handover::default()), script, "nothing was closed");
        let other = "INSERT INTO a SELECT 'TABLE(TUMBLE(' FROM t -- TABLE(HOP(";
        assert_eq!(rewritten(other, &handover(at, false)), other);
    }

    #[test]
    fn windows_of_the_older_kind_are_refused() {
        let script = "\nINSERT INTO a SELECT COUNT(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' HOUR)";
        let told = without_closed(&statements(script).unwrap()[0], &handover(0, false)).unwrap_err().message;
        assert!(told.starts_with("line 2: TUMBLE stands in GROUP BY; write it as FROM TABLE(TUMBLE("), "{told}");
    }

    #[test]
    fn sources_begin_where_the_handover_says() {
        let begun = |given: (&str, &str), connector: &str, start| {
            let mut pairs = vec![(given.0.to_owned(), given.1.to_owned())];
            begin_at(&mut pairs, connector, start);
            pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        let at = |connector: &str, start| begun(("scan.stream.initpos", "LATEST"), connector, start);
        let from = "scan.stream.initpos=AT_TIMESTAMP scan.stream.initpos-timestamp=1452063600.007";
        assert_eq!(at("kinesis", StartAt::Arrived(1_452_063_600_007)), from);
        assert_eq!(at("kinesis", StartAt::Oldest), "scan.stream.initpos=TRIM_HORIZON");
        let newer = begun(("source.init.position", "LATEST"), "kinesis", StartAt::Arrived(7));
        assert_eq!(newer, "source.init.position=AT_TIMESTAMP source.init.timestamp=0.007");
        let kafka = |start| begun(("scan.startup.specific-offsets", "partition:0,offset:7"), "kafka", start);
        assert_eq!(kafka(StartAt::Arrived(7)), "scan.startup.mode=timestamp scan.startup.timestamp-millis=7");
        assert_eq!(kafka(StartAt::Oldest), "scan.startup.mode=earliest-offset");
        assert_eq!(at("filesystem", StartAt::Oldest), "scan.stream.initpos=LATEST");
    }
}
