//! The report as one page that loads nothing.

use super::report::Report;
use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 30.0;
/// KPUs that the plot goes to.
const KPUS: u32 = 32;

const STYLE: &str = ":root{color-scheme:light dark;--text:#1b2430;--paper:#fff;--line:#d5dbe3;--box:#f2f4f7;--far:#8a5a00;--law:#0b6bcb;\
--point:#d9480f;--soft:#48566a}\
@media(prefers-color-scheme:dark){:root{--text:#e3e8ef;--paper:#12171e;--line:#323c49;--box:#1c242e;--far:#e0b050;--law:#6cb2ff;\
--point:#ff9466;--soft:#a3b1c2}}\
body{font:15px/1.5 system-ui,sans-serif;max-width:64em;margin:2em auto;padding:0 1em;color:var(--text);background:var(--paper);\
overflow-wrap:anywhere}\
.wide{overflow-x:auto}table{border-collapse:collapse}td,th{padding:.25em .7em;text-align:right;border-bottom:1px solid var(--line);\
white-space:nowrap}td.name,th.name{text-align:left}pre{background:var(--box);padding:1em;overflow:auto}.far{color:var(--far)}\
.soft{color:var(--soft)}svg text{font-size:12px;fill:var(--soft)}svg .grid{stroke:var(--line)}\
svg .law{fill:none;stroke:var(--law);stroke-width:2}svg .sure{fill:none;stroke:var(--law);stroke-dasharray:4 4}svg circle{fill:var(--point)}";

/// The page.
pub(super) fn page(report: &Report<'_>) -> String {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Calibration</title><style>",
    );
    let mut add = |text: &str| page.push_str(text);
    add(STYLE);
    add("</style><h1>Calibration of ");
    add(&escaped(&report.of.script.display().to_string()));
    add("</h1>");
    add(&table(report));
    add("<p class=\"soft\">Sizes in this <span class=\"far\">colour</span> are extrapolated.</p><h2>What KPUs do</h2>");
    add(&plot(report));
    add(
        "<p class=\"soft\">Records a second by KPUs: the line is what is most likely, the dashed one what nine of ten \
         are above, the points are runs.</p><h2>What operators cost</h2>",
    );
    add(&operators(report));
    add(&format!("<p>Bottleneck: {}.</p><ul>", escaped(&report.known.bottleneck())));
    report.shards().iter().for_each(|line| add(&format!("<li>{}</li>", escaped(line))));
    add("</ul><h2>To paste</h2>");
    for advice in report.advices().into_iter().filter_map(|(_, advice)| advice) {
        add(&format!(
            "<p>{:.0} records a second:</p><pre>{}</pre>",
            advice.rate,
            escaped(&Report::paste(&advice).to_string())
        ));
    }
    add(&format!("<p>{}</p></html>", escaped(&report.scope())));
    page
}

fn operators(report: &Report<'_>) -> String {
    let kpus = report.kpus();
    let mut out = format!(
        "<div class=\"wide\"><table><tr><th class=\"name\">operator</th><th>µs/record</th><th>runs apart</th><th>of its threads</th>\
         <th>alone on {kpus} KPUs, records/s</th><th>for sure</th></tr>"
    );
    for one in report.known.operators(kpus) {
        out += &format!(
            "<tr><td class=\"name\">{}</td><td>{:.3}</td><td>{:.0} %</td><td>{:.0} %</td><td>{:.0}</td><td>{:.0}</td></tr>",
            escaped(&one.operator),
            one.us_per_record,
            100.0 * one.spread,
            100.0 * one.part,
            one.alone.0,
            one.alone.1
        );
    }
    out += "</table></div>";
    if let Some(told) = report.known.full_first_told(kpus) {
        out += &format!("<p>{}.</p>", escaped(&told));
    }
    out
}

fn table(report: &Report<'_>) -> String {
    let heads = [
        "rate/s",
        "shards",
        "parallelism",
        "per KPU",
        "KPUs",
        "headroom",
        "state MB",
        "disk GB/day",
        "USD/h here",
        "USD/h AWS",
    ];
    let mut out = String::from("<div class=\"wide\"><table><tr>");
    heads.iter().for_each(|head| out += &format!("<th>{head}</th>"));
    out += "</tr>";
    for (rate, advice) in report.advices() {
        let row = match advice {
            None => format!("<tr><td>{rate}</td><td colspan=\"9\">more than the quota of KPUs</td></tr>"),
            Some(a) => format!(
                "<tr{}><td>{rate}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.0} %</td><td>{:.1}</td><td>{:.1}</td>\
                 <td>{:.3}</td><td>{:.3}</td></tr>",
                if a.measured { "" } else { " class=\"far\" title=\"extrapolated\"" },
                a.shards,
                a.parallelism,
                a.per_kpu,
                a.kpus,
                100.0 * a.headroom,
                a.state_mb,
                a.disk_gb_per_day,
                a.usd_per_hour_here,
                a.usd_per_hour_aws,
            ),
        };
        out += &row;
    }
    out + "</table></div>"
}

/// The law with its lower bound, and the points that were measured.
fn plot(report: &Report<'_>) -> String {
    let rate = |kpus: u32| report.known.rate_of(kpus);
    let top = (1..=KPUS).map(|kpus| rate(kpus).0).fold(1.0, f64::max) * 1.05;
    let x = |kpus: f64| LEFT + (WIDTH - LEFT - 10.0) * kpus / f64::from(KPUS);
    let y = |rate: f64| (HEIGHT - BOTTOM) * (1.0 - rate / top) + 5.0;
    let path = |value: &dyn Fn(u32) -> f64| {
        let point = |kpus: u32| format!("{:.1},{:.1}", x(f64::from(kpus)), y(value(kpus)));
        (1..=KPUS).map(point).collect::<Vec<_>>().join(" ")
    };
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"records a second by KPUs\" width=\"100%\">"
    );
    let mut add = |text: String| {
        // Writing to a string cannot fail.
        let _ = out.write_str(&text);
    };
    for part in 0..=4 {
        let value = top * f64::from(part) / 4.0;
        let at = y(value);
        add(format!(
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\" class=\"grid\"/><text x=\"4\" y=\"{:.1}\">{value:.0}</text>",
            at + 4.0
        ));
    }
    for kpus in [1, 2, 4, 8, 16, 32] {
        add(format!("<text x=\"{:.1}\" y=\"{:.1}\">{kpus}</text>", x(f64::from(kpus)) - 4.0, HEIGHT - 8.0));
    }
    add(format!("<polyline class=\"law\" points=\"{}\"/>", path(&|kpus| rate(kpus).0)));
    add(format!("<polyline class=\"sure\" points=\"{}\"/>", path(&|kpus| rate(kpus).1)));
    for point in report.known.points.iter().filter(|point| point.per_kpu == report.known.per_kpu) {
        for rate in &point.rates {
            let sustained = rate * report.known.sustainable;
            add(format!("<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>", x(f64::from(point.kpus)), y(sustained)));
        }
    }
    out + "</svg>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn text_is_text() {
        assert_eq!(escaped("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }
}
