//! Compares two files of benchmark results, figure by figure.

use serde_json::Value;
use std::collections::BTreeMap;

/// One result, as a line of a file gives it.
#[derive(Debug, Clone, PartialEq)]
struct Figure {
    value: f64,
    unit: String,
    higher_is_better: bool,
    /// The runs that `value` is the median of; may be empty.
    runs: Vec<f64>,
}

type Figures = BTreeMap<String, Figure>;

/// Runs `bench-compare` with these arguments and returns the table.
pub(crate) fn run(args: &[&str]) -> Result<String, String> {
    let (old, new, at_least) = match args {
        [old, new] => (old, new, None),
        [old, new, "--at-least", ratio] => {
            let ratio = ratio.parse::<f64>().map_err(|_| format!("--at-least: `{ratio}` is not a number"))?;
            (old, new, Some(ratio))
        }
        _ => return Err("usage: cargo xtask bench-compare OLD NEW [--at-least RATIO]".to_owned()),
    };
    let read = |path: &str| {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        parse(path, &text)
    };
    let (old, new) = (read(old)?, read(new)?);
    let table = table(&old, &new);
    match at_least.map(|ratio| below(&old, &new, ratio)).unwrap_or_default() {
        worse if worse.is_empty() => Ok(table),
        worse => Err(format!("{table}\nworse than allowed: {}", worse.join(", "))),
    }
}

/// Reads a file's figures. Lines that do not begin a JSON object belong to other output; of several lines for one figure
/// the last counts.
fn parse(path: &str, text: &str) -> Result<Figures, String> {
    let mut figures = Figures::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with('{')) {
        let wrong = |what: &str| format!("{path}:{}: {what}", index + 1);
        let line: Value = serde_json::from_str(line).map_err(|error| wrong(&format!("not JSON: {error}")))?;
        let text = |key: &str| line[key].as_str().ok_or_else(|| wrong(&format!("`{key}` is missing or no text")));
        let higher_is_better = match text("better")? {
            "higher" => true,
            "lower" => false,
            other => return Err(wrong(&format!("`better` is \"{other}\", neither \"higher\" nor \"lower\""))),
        };
        let value = line["value"].as_f64().ok_or_else(|| wrong("`value` is missing or no number"))?;
        let runs = line["runs"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        let figure = Figure { value, unit: text("unit")?.to_owned(), higher_is_better, runs };
        figures.insert(text("figure")?.to_owned(), figure);
    }
    if figures.is_empty() { Err(format!("{path}: holds no benchmark result")) } else { Ok(figures) }
}

/// How much better the new figure is: above 1 is better, whichever way the figure points.
fn gain(old: &Figure, new: &Figure) -> f64 {
    if old.value == new.value {
        1.0
    } else if old.higher_is_better {
        new.value / old.value
    } else {
        old.value / new.value
    }
}

fn below(old: &Figures, new: &Figures, ratio: f64) -> Vec<String> {
    let pairs = new.iter().filter_map(|(name, new)| Some((name, gain(old.get(name)?, new))));
    pairs.filter(|(_, gain)| *gain < ratio).map(|(name, gain)| format!("{name} ({gain:.2})")).collect()
}

fn table(old: &Figures, new: &Figures) -> String {
    let mut rows = vec![["figure", "old", "new", "unit", "new/old", ""].map(str::to_owned)];
    for (name, new) in new {
        let unit = new.unit.clone();
        rows.push(match old.get(name) {
            Some(old) if old.unit == unit => {
                let ratio = format!("{:.3}", new.value / old.value);
                [name.clone(), number(old.value), number(new.value), unit, ratio, verdict(old, new).to_owned()]
            }
            Some(old) => {
                let was = format!("{} {}", number(old.value), old.unit);
                [name.clone(), was, number(new.value), unit, "-".to_owned(), "another unit".to_owned()]
            }
            None => [name.clone(), "-".to_owned(), number(new.value), unit, "-".to_owned(), "new".to_owned()],
        });
    }
    for (name, old) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
        let [dash, gone] = ["-", "gone"].map(str::to_owned);
        rows.push([name.clone(), number(old.value), dash.clone(), old.unit.clone(), dash, gone]);
    }
    aligned(&rows)
}

/// Says better or worse only where the runs of old and new do not overlap, if both are known, or else past five percent.
fn verdict(old: &Figure, new: &Figure) -> &'static str {
    let range = |runs: &[f64]| runs.iter().copied().map(|run| (run, run)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let same = match (range(&old.runs), range(&new.runs)) {
        (Some(old), Some(new)) if old.0 < old.1 || new.0 < new.1 => old.0 <= new.1 && new.0 <= old.1,
        _ => (gain(old, new) - 1.0).abs() < 0.05,
    };
    match (same, gain(old, new) > 1.0) {
        (true, _) => "same",
        (false, true) => "better",
        (false, false) => "WORSE",
    }
}

fn number(value: f64) -> String {
    if value.abs() >= 100.0 { grouped(&format!("{value:.0}")) } else { format!("{value:.3}") }
}

/// Digits in groups of three.
fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let mut out = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            1 | 2 | 4 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(text: &str) -> Figures {
        parse("f", text).unwrap()
    }

    const OLD: &str = r#"
   Compiling something
{"figure":"rate","value":1000,"unit":"rows/s","better":"higher","runs":[990,1000,1010]}
{"figure":"time","value":2.0,"unit":"s","better":"lower"}
{"figure":"gone","value":1,"unit":"s","better":"lower"}"#;

    #[test]
    fn a_table_tells_better_from_worse_whichever_way_a_figure_points() {
        let new = figures(
            r#"{"figure":"rate","value":1500000,"unit":"rows/s","better":"higher","runs":[1400000,1600000]}
{"figure":"time","value":3.0,"unit":"s","better":"lower"}
{"figure":"fresh","value":7,"unit":"s","better":"lower"}"#,
        );
        let expected = "\
figure    old        new  unit     new/old
fresh       -      7.000  s              -  new
rate    1,000  1,500,000  rows/s  1500.000  better
time    2.000      3.000  s          1.500  WORSE
gone    1.000          -  s              -  gone";
        assert_eq!(table(&figures(OLD), &new), expected);
        assert_eq!(below(&figures(OLD), &new, 0.9), ["time (0.67)"]);
        assert_eq!(below(&figures(OLD), &new, 0.6), [""; 0]);
    }

    #[test]
    fn runs_that_overlap_are_the_same() {
        let check = |old: &str, new: &str, expected: &str| {
            let line = |value_and_runs: &str| {
                let line = format!(r#"{{"figure":"f","unit":"s","better":"lower",{value_and_runs}}}"#);
                figures(&line)["f"].clone()
            };
            assert_eq!(verdict(&line(old), &line(new)), expected);
        };
        check(r#""value":10,"runs":[9,10,12]"#, r#""value":12,"runs":[11,12,13]"#, "same");
        check(r#""value":10,"runs":[9,10,11]"#, r#""value":12,"runs":[12,12,13]"#, "WORSE");
        check(r#""value":10,"runs":[9,10,11]"#, r#""value":5,"runs":[5,5,6]"#, "better");
        check(r#""value":10"#, r#""value":10.3"#, "same");
        check(r#""value":10"#, r#""value":11"#, "WORSE");
        check(r#""value":0"#, r#""value":0"#, "same");
    }

    #[test]
    fn a_wrong_line_is_told_with_its_place() {
        let check = |text: &str, message: &str| {
            let error = parse("f", text).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        };
        check("", "f: holds no benchmark result");
        check("\n{", "f:2: not JSON");
        check(r#"{"figure":"a","value":1,"unit":"s"}"#, "f:1: `better` is missing");
        check(r#"{"figure":"a","value":1,"unit":"s","better":"more"}"#, "f:1: `better` is \"more\"");
        check(r#"{"figure":"a","value":"1","unit":"s","better":"lower"}"#, "f:1: `value` is missing or no number");
    }

    #[test]
    fn the_arguments_are_two_files_and_perhaps_a_ratio() {
        assert!(run(&["one"]).unwrap_err().starts_with("usage"));
        assert!(run(&["a", "b", "--at-least", "x"]).unwrap_err().contains("not a number"));
        assert!(run(&["/nowhere/a", "/nowhere/b"]).unwrap_err().starts_with("/nowhere/a: "));
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!(["1", "123", "1234", "1234567", "-1234"].map(grouped), ["1", "123", "1,234", "1,234,567", "-1,234"]);
    }
}
