//! Scrolls: going on, and ending.

use super::body::{Body, Notes, token};
use super::call::{Answer, Call};
use super::failure::Failure;
use super::histogram::time_value;
use super::render;
use crate::json::Value;
use base64::Engine;
use bytes::Bytes;

const SCROLL_MAGIC: &[u8; 4] = b"scr1";

/// The text of a scroll's id.
pub(super) fn scroll_id(id: u64) -> String {
    let bytes: Vec<u8> = SCROLL_MAGIC.iter().copied().chain(id.to_be_bytes()).collect();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn parse_scroll_id(text: &str) -> Result<u64, Failure> {
    let wrong = || Failure::argument("Cannot parse scroll id");
    let bytes =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| wrong())?;
    let id = bytes.strip_prefix(SCROLL_MAGIC).and_then(|id| <[u8; 8]>::try_from(id).ok()).ok_or_else(wrong)?;
    Ok(u64::from_be_bytes(id))
}

/// What a scroll request says: ids and, to go on, how long to keep the scroll.
struct ScrollBody {
    ids: Vec<String>,
    keep: Option<String>,
}

fn scroll_body(call: &Call) -> Result<ScrollBody, Failure> {
    let mut found = ScrollBody { ids: Vec::new(), keep: call.parameter("scroll").map(str::to_owned) };
    let split = |text: &str| text.split(',').map(str::to_owned).collect();
    if let Some(ids) = call.parameter("scroll_id") {
        found.ids = split(ids);
    }
    if !call.part("scroll_id").is_empty() {
        found.ids = split(call.part("scroll_id"));
    }
    let body = Body::read(&Bytes::clone(&call.body))?;
    let Some(members) = body.root.members() else {
        return Err(Failure::argument("Malformed content, must start with an object"));
    };
    for member in members {
        match (member.key.as_str(), &member.node.value) {
            ("scroll_id", Value::Text(id)) => found.ids = vec![id.clone()],
            ("scroll_id", Value::Array(_)) => found.ids = body.texts("scroll", member)?,
            ("scroll", Value::Text(keep)) => found.keep = Some(keep.clone()),
            (key, value) => {
                let reason = format!(
                    "Unknown parameter [{key}] in request body or parameter is of the wrong type[{}] ",
                    token(value)
                );
                return Err(Failure::argument(reason));
            }
        }
    }
    Ok(found)
}

/// The next page of a scroll.
pub(super) fn scroll(call: &Call) -> Result<Answer, Failure> {
    let asked = scroll_body(call)?;
    let total_as_number = call.flag("rest_total_hits_as_int", false)?;
    call.no_others()?;
    let [id] = &asked.ids[..] else { return Err(Failure::validation(&["scrollId is missing".to_owned()])) };
    let number = parse_scroll_id(id)?;
    let keep_ms = asked.keep.map(|text| time_value(&text, "scroll")).transpose()?;
    let started = call.index.env().monotonic_ns();
    let response = call.index.scroll_next(number, keep_ms.and_then(|ms| u64::try_from(ms).ok()))?;
    let took_ms = (call.index.env().monotonic_ns() - started) / 1_000_000;
    let view = render::View {
        typed_keys: false,
        total_as_number,
        version: false,
        sequence: false,
        indices: 1,
        took_ms,
        notes: Notes::default(),
    };
    Ok(Answer::json(render::response(Some(id.clone()), &response, &[], &view)))
}

/// Ends scrolls.
pub(super) fn clear_scroll(call: &Call) -> Result<Answer, Failure> {
    let asked = scroll_body(call)?;
    call.no_others()?;
    if asked.ids.is_empty() {
        return Err(Failure::validation(&["no scroll ids specified".to_owned()]));
    }
    let freed = if asked.ids == ["_all"] {
        call.index.scroll_end_all()
    } else {
        let numbers = asked.ids.iter().map(|id| parse_scroll_id(id)).collect::<Result<Vec<_>, _>>()?;
        numbers.into_iter().filter(|id| call.index.scroll_end(*id)).count()
    };
    let status = if freed > 0 || asked.ids == ["_all"] { 200 } else { 404 };
    Ok(Answer::status(status, Value::object([("succeeded", true.into()), ("num_freed", freed.into())])))
}
