//! The plan of a job as a cluster tells it, as text for a person.

use serde_json::Value;

/// One line for each operator: what it is, how many subtasks it has, and whose rows it takes.
pub(crate) fn told(plan: &Value) -> String {
    // A cluster tells them from the end to the sources.
    let nodes: Vec<&Value> = plan["nodes"].as_array().into_iter().flatten().rev().collect();
    let number = |id: &Value| nodes.iter().position(|node| node["id"] == *id).map(|at| at + 1);
    let line = |(at, node): (usize, &&Value)| {
        let what = words(node["description"].as_str().unwrap_or_default());
        let inputs: Vec<String> = node["inputs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|input| input_told(input, number(&input["id"])))
            .collect();
        let from = if inputs.is_empty() { String::new() } else { format!(", from {}", inputs.join(" and ")) };
        format!("{}: {what} (parallelism {}{from})\n", at + 1, node["parallelism"])
    };
    nodes.iter().enumerate().map(line).collect()
}

fn input_told(input: &Value, number: Option<usize>) -> Option<String> {
    let number = number?;
    let way = input["ship_strategy"].as_str().unwrap_or_default();
    Some(if way.is_empty() { number.to_string() } else { format!("{number} by {way}") })
}

/// A description without the marks of the page that it is made for.
fn words(description: &str) -> String {
    let plain = description.replace("<br/>", " ");
    let plain = plain.replace("&gt;", ">").replace("&lt;", "<").replace("&quot;", "\"").replace("&amp;", "&");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operators_are_told_from_the_sources_on() {
        let plan = json!({ "nodes": [
            { "id": "b", "parallelism": 1, "description": "Window(x)<br/>+- Sink: y &gt; z<br/>",
              "inputs": [{ "num": 0, "id": "a", "ship_strategy": "HASH" }] },
            { "id": "a", "parallelism": 2, "description": "Source: trips<br/>" },
        ]});
        assert_eq!(
            told(&plan),
            "1: Source: trips (parallelism 2)\n2: Window(x) +- Sink: y > z (parallelism 1, from 1 by HASH)\n"
        );
        assert_eq!(told(&Value::Null), "");
    }
}
