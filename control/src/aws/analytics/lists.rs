//! Lists in pages, and the tokens that lead from one page to the next.

use super::describe::{moment, version_status};
use super::schema::Input;
use super::{Analytics, Answer, invalid, refused};
use crate::aws::ServiceError;
use crate::{Operation, Version};
use serde_json::{Value, json};

/// Entries of a page where the request does not say.
const PAGE: usize = 50;

/// Which page of a list is asked for.
pub(super) struct Page<'a> {
    of: &'static str,
    application: &'a str,
    pub(super) limit: usize,
    /// Where the page before has ended.
    pub(super) after: Option<u64>,
}

impl<'a> Page<'a> {
    /// The page of a list of an application that a request asks for.
    ///
    /// # Errors
    /// When its token was not given for this list.
    pub(super) fn of(input: Input<'a>, of: &'static str) -> Result<Self, ServiceError> {
        let application = input.given("ApplicationName");
        let mut page = Self { of, application, limit: limit(input), after: None };
        if let Some(token) = input.text("NextToken") {
            let place = token.split_once('-').and_then(|(place, _)| u64::from_str_radix(place, 16).ok());
            let place = place.filter(|place| page.token(*place) == token);
            page.after = Some(
                place.ok_or_else(|| invalid("The NextToken was not given by this operation for this application."))?,
            );
        }
        Ok(page)
    }

    fn token(&self, place: u64) -> String {
        let text = format!("{}/{}/{place}", self.of, self.application);
        format!("{place:x}-{:08x}", crc32c::crc32c(text.as_bytes()))
    }

    /// The answer that holds a page, which ends at `next` where there is more.
    pub(super) fn answer(&self, name: &str, entries: Vec<Value>, next: Option<u64>) -> Value {
        let mut answer = json!({ name: entries });
        if let Some(next) = next {
            answer["NextToken"] = json!(self.token(next));
        }
        answer
    }
}

fn limit(input: Input<'_>) -> usize {
    input.whole("Limit").map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE))
}

impl Analytics {
    pub(super) fn list(&self, input: Input<'_>) -> Answer {
        // As in the service, a page is led to by the name that ends the one before.
        let after = input.text("NextToken").unwrap_or_default();
        let limit = limit(input);
        let views = self.applications.views();
        let mut views = views.iter().filter(|view| view.spec.name.as_str() > after);
        let shown: Vec<_> = views.by_ref().take(limit).collect();
        let summaries: Vec<Value> = shown.iter().map(|view| self.summary(view)).collect();
        let mut answer = json!({ "ApplicationSummaries": summaries });
        if let (Some(_), Some(last)) = (views.next(), shown.last()) {
            answer["NextToken"] = json!(last.spec.name);
        }
        Ok(answer)
    }

    pub(super) fn list_versions(&self, input: Input<'_>) -> Answer {
        let view = self.view(input.given("ApplicationName"))?;
        let page = Page::of(input, "versions")?;
        let (before, limit) = (page.after.unwrap_or(u64::MAX), page.limit as u32);
        let versions = self.applications.versions(&view.spec.name, before, limit + 1).map_err(refused)?;
        let shown = &versions[..versions.len().min(page.limit)];
        let summary = |version: &Version| {
            json!({
                "ApplicationVersionId": version.version,
                "ApplicationStatus": version_status(&view, version).name(),
            })
        };
        let next = shown.last().filter(|_| versions.len() > page.limit).map(|last| last.version);
        Ok(page.answer("ApplicationVersionSummaries", shown.iter().map(summary).collect(), next))
    }

    pub(super) fn list_operations(&self, input: Input<'_>) -> Answer {
        let page = Page::of(input, "operations")?;
        let (before, limit) = (page.after.unwrap_or(u64::MAX), page.limit as u32);
        let of = (input.text("Operation"), input.text("OperationStatus"));
        let found = self.applications.operations(page.application, of, before, limit + 1).map_err(refused)?;
        let shown = &found[..found.len().min(page.limit)];
        let summary = |(_, operation): &(u64, Operation)| {
            let mut summary = json!({
                "Operation": operation.kind.name(),
                "OperationId": operation.id,
                "StartTime": moment(operation.start_ms),
                "OperationStatus": operation.status.name(),
            });
            if let Some(end_ms) = operation.end_ms {
                summary["EndTime"] = moment(end_ms);
            }
            summary
        };
        let next = shown.last().filter(|_| found.len() > page.limit).map(|(number, _)| *number);
        Ok(page.answer("ApplicationOperationInfoList", shown.iter().map(summary).collect(), next))
    }

    pub(super) fn describe_operation(&self, input: Input<'_>) -> Answer {
        let (name, id) = (input.given("ApplicationName"), input.given("OperationId"));
        let operation = self.applications.operation(name, id).map_err(refused)?.ok_or_else(|| {
            let message = format!("Application {name} has no operation {id}.");
            ServiceError::new("ResourceNotFoundException", message)
        })?;
        let mut details = json!({
            "Operation": operation.kind.name(),
            "StartTime": moment(operation.start_ms),
            // The model wants one; of an operation that goes on it is the moment up to which it is known to.
            "EndTime": moment(operation.end_ms.unwrap_or(operation.start_ms)),
            "OperationStatus": operation.status.name(),
        });
        if let Some((from, to)) = operation.versions {
            details["ApplicationVersionChangeDetails"] =
                json!({ "ApplicationVersionUpdatedFrom": from, "ApplicationVersionUpdatedTo": to });
        }
        if let Some(failure) = &operation.failure {
            details["OperationFailureDetails"] = json!({ "ErrorInfo": { "ErrorString": cut(failure) } });
            if let Some(rollback) = &operation.rollback {
                details["OperationFailureDetails"]["RollbackOperationId"] = json!(rollback);
            }
        }
        Ok(json!({ "ApplicationOperationInfoDetails": details }))
    }
}

/// Characters that the model allows for a failure.
const ERROR_CHARS_MAX: usize = 512;

fn cut(text: &str) -> String {
    text.chars().take(ERROR_CHARS_MAX).collect()
}
