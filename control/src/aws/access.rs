//! What the guard of the door has to know of the services.

use axum::http::HeaderMap;

const ANALYTICS: &str = "KinesisAnalytics_20180523";

/// The name under which calls of the service are signed that a request is for; `None` where it is for none of these.
pub fn signing_name(_path: &str, headers: &HeaderMap) -> Option<&'static str> {
    let (target, _) = headers.get("x-amz-target")?.to_str().ok()?.split_once('.')?;
    (target == ANALYTICS).then_some("kinesisanalytics")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_signed_for_its_own_service() {
        let named = |target: &str| {
            let headers = HeaderMap::from_iter([("x-amz-target".parse().unwrap(), target.parse().unwrap())]);
            signing_name("/", &headers)
        };
        assert_eq!(named("KinesisAnalytics_20180523.X"), Some("kinesisanalytics"));
        assert_eq!((named("Other.X"), named("X"), signing_name("/", &HeaderMap::new())), (None, None, None));
    }
}
