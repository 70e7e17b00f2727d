//! `hailstream credentials`: keys for the doors, made, listed and checked. A secret is shown once, when it is made.

use super::{Failure, say};
use crate::auth::{Key, NewKey, add, read};
use crate::cli::{CredentialsAction, CredentialsArgs, CredentialsFile};
use chrono::DateTime;
use model::Env;
use serde_json::json;

pub(super) fn run(args: CredentialsArgs, env: &Env) -> Result<(), Failure> {
    let now_s = (env.now_ms() / 1000) as i64;
    match args.action {
        CredentialsAction::New { file, role, id, user, expires_in } => {
            let expires = expires_in.map(|hours| moment(now_s + i64::from(hours) * 3_600));
            new(&file, &NewKey { user, expires, ..NewKey::random(id, role)? })
        }
        CredentialsAction::List(file) => list(&file, now_s),
        CredentialsAction::Check(file) => check(&file, now_s),
    }
}

/// A time such as `2030-01-01T00:00:00Z`.
fn moment(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn new(file: &CredentialsFile, key: &NewKey) -> Result<(), Failure> {
    add(&file.path, key)?;
    let NewKey { id, secret, role, user, expires } = key;
    if file.json {
        let user = user.as_ref().unwrap_or(id);
        let line = json!({ "id": id, "secret": secret, "role": role.name(), "user": user, "expires": expires });
        say(&line.to_string());
        return Ok(());
    }
    say(&format!("AWS_ACCESS_KEY_ID={id}"));
    say(&format!("AWS_SECRET_ACCESS_KEY={secret}"));
    let until = expires.as_ref().map(|expires| format!(" until {expires}")).unwrap_or_default();
    let (path, role) = (file.path.display(), role.name());
    super::say_error(&format!("added to {path} as {role}{until}; the secret is not shown again"));
    Ok(())
}

/// Whether a key is taken, in a word.
fn state(key: &Key, now_s: i64) -> &'static str {
    match (key.enabled, key.has_ended(now_s)) {
        (false, _) => "disabled",
        (true, true) => "ended",
        (true, false) => "enabled",
    }
}

fn list(file: &CredentialsFile, now_s: i64) -> Result<(), Failure> {
    let keys = read(&file.path)?;
    if !file.json {
        say(&format!("{:<24} {:<9} {:<9} {:<20} {:<6} {}", "ID", "ROLE", "STATE", "USER", "TOKEN", "ENDS"));
    }
    for key in &keys {
        let (id, user, role, state) = (&key.id, &key.user, key.role.name(), state(key, now_s));
        let (token, ends) = (key.session_token.is_some(), key.expires_s.map(moment));
        if file.json {
            let line = json!({
                "id": id, "role": role, "state": state, "user": user, "session_token": token, "expires": ends,
            });
            say(&line.to_string());
        } else {
            let (token, ends) = (if token { "yes" } else { "no" }, ends.unwrap_or_else(|| "never".to_owned()));
            say(&format!("{id:<24} {role:<9} {state:<9} {user:<20} {token:<6} {ends}"));
        }
    }
    Ok(())
}

fn check(file: &CredentialsFile, now_s: i64) -> Result<(), Failure> {
    let keys = read(&file.path)?;
    let enabled = keys.iter().filter(|key| state(key, now_s) == "enabled").count();
    if file.json {
        say(&json!({ "keys": keys.len(), "enabled": enabled }).to_string());
    } else {
        say(&format!("{} is right: {} keys, {enabled} of them enabled", file.path.display(), keys.len()));
    }
    if enabled == 0 {
        return Err(format!("no key of {} is enabled: nobody could use the doors", file.path.display()).into());
    }
    Ok(())
}
