//! From what a request calls its indices to their names.

use super::call::Call;
use super::failure::{Failure, no_index};
use crate::search::matches_pattern;

impl Call {
    /// The indices of a request for several: names, wildcards, `-` for exceptions, `_all`.
    pub(super) fn indices(&self) -> Result<Vec<String>, Failure> {
        let ignore_unavailable = self.flag("ignore_unavailable", false)?;
        let allow_none = self.flag("allow_no_indices", true)?;
        match self.parameter("expand_wildcards") {
            None | Some("open" | "all" | "open,hidden" | "open,closed") => {}
            Some(other) => return Err(Failure::argument(format!("expand_wildcards [{other}] is not supported"))),
        }
        let all = self.index.names();
        let mut chosen: Vec<String> = Vec::new();
        let asked = self.part("index");
        let asked = if asked.is_empty() || asked == "_all" { "*" } else { asked };
        let mut after_wildcard = false;
        for name in asked.split(',').filter(|n| !n.is_empty()) {
            if let Some(excepted) = name.strip_prefix('-').filter(|_| after_wildcard) {
                chosen.retain(|c| !matches_pattern(excepted, c));
                continue;
            }
            if name.contains('*') {
                after_wildcard = true;
                let matching: Vec<&String> = all.iter().filter(|n| matches_pattern(name, n)).collect();
                if matching.is_empty() && !allow_none {
                    return Err(no_index(name, "index_or_alias"));
                }
                for found in matching {
                    if !chosen.contains(found) {
                        chosen.push(found.clone());
                    }
                }
                continue;
            }
            self.check_read_name(name)?;
            if all.iter().any(|n| n == name) {
                if !chosen.iter().any(|c| c == name) {
                    chosen.push(name.to_owned());
                }
            } else if !ignore_unavailable {
                return Err(no_index(name, "index_or_alias"));
            }
        }
        if chosen.is_empty() && !allow_none {
            return Err(no_index(asked, "index_or_alias"));
        }
        Ok(chosen)
    }

    fn check_read_name(&self, name: &str) -> Result<(), Failure> {
        if name.starts_with('_') {
            let reason = format!("Invalid index name [{name}], must not start with '_'.");
            return Err(Failure::new(400, "invalid_index_name_exception", reason)
                .with("index_uuid", "_na_")
                .with("index", name));
        }
        Ok(())
    }
}
