//! Sessions of people at the console: who has shown a key need not show it again for a while.
//!
//! A token is made of the operating system's randomness, for what `model::Env` gives can be foretold by whoever has seen
//! some of it, and a token that is foretold is a stolen one. Only its hash is kept, in memory: a restart ends all sessions.

use super::credentials::Key;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use model::Env;
use parking_lot::Mutex;
use rustls::crypto::ring;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Most sessions at once; the one that was used least recently makes room.
const SESSIONS_MAX: usize = 1_024;
/// Most sessions of one key; likewise.
const OF_KEY_MAX: usize = 32;
/// How long a session lasts that nobody uses, in milliseconds: half a day.
const IDLE_MS: u64 = 12 * 3_600_000;
/// How long a session lasts at most, in milliseconds: a week, since a console may hang on a wall.
pub(super) const LIFE_MS: u64 = 7 * 24 * 3_600_000;

type Hash = [u8; 32];

/// The sessions that last.
pub(crate) struct Sessions {
    env: Env,
    by_hash: Mutex<HashMap<Hash, Session>>,
}

/// A session, as far as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// The id of the key that was shown.
    pub(crate) key: String,
    /// The hash of its secret then: with another secret it is another key.
    secret: Hash,
    /// When it ends at the latest, in milliseconds since the Unix epoch.
    pub(crate) until_ms: u64,
    started: u64,
    used: u64,
}

impl Session {
    /// Whether it is this key that was shown.
    pub(crate) fn is_of(&self, key: &Key) -> bool {
        self.key == key.id && self.secret == <Hash>::from(Sha256::digest(key.secret.as_bytes()))
    }
}

impl Sessions {
    /// Nobody is there yet.
    pub(crate) fn new(env: Env) -> Self {
        Self { env, by_hash: Mutex::default() }
    }

    /// Begins a session and answers its token, which is told this once; `None` where the system gives no randomness.
    pub(crate) fn begin(&self, key: &Key) -> Option<String> {
        let mut bytes = [0; TOKEN_BYTES];
        ring::default_provider().secure_random.fill(&mut bytes).ok()?;
        let token = URL_SAFE_NO_PAD.encode(bytes);
        let now = self.monotonic_ms();
        let session = Session {
            key: key.id.clone(),
            secret: Sha256::digest(key.secret.as_bytes()).into(),
            until_ms: self.env.now_ms() + LIFE_MS,
            started: now,
            used: now,
        };
        let mut all = self.by_hash.lock();
        all.retain(|_, session| session.lasts(now));
        if all.values().filter(|session| session.key == key.id).count() >= OF_KEY_MAX {
            remove_oldest(&mut all, |session| session.key == key.id);
        }
        if all.len() >= SESSIONS_MAX {
            remove_oldest(&mut all, |_| true);
        }
        all.insert(hash(&token), session);
        Some(token)
    }

    /// The session of a token, which is used by that.
    pub(crate) fn of(&self, token: &str) -> Option<Session> {
        let now = self.monotonic_ms();
        let mut all = self.by_hash.lock();
        // A hash is looked up, so that the time it takes tells nothing of a token.
        let session = all.get_mut(&hash(token)).filter(|session| session.lasts(now))?;
        session.used = now;
        Some(session.clone())
    }

    /// Ends the session of a token.
    pub(crate) fn end(&self, token: &str) {
        self.by_hash.lock().remove(&hash(token));
    }

    fn monotonic_ms(&self) -> u64 {
        self.env.monotonic_ns() / 1_000_000
    }
}

impl Session {
    fn lasts(&self, now: u64) -> bool {
        // Another request may have used it a moment after this one looked at the clock.
        now.saturating_sub(self.used) < IDLE_MS && now.saturating_sub(self.started) < LIFE_MS
    }
}

fn remove_oldest(all: &mut HashMap<Hash, Session>, of: impl Fn(&Session) -> bool) {
    let oldest = all.iter().filter(|(_, session)| of(session)).min_by_key(|(_, session)| session.used);
    if let Some(oldest) = oldest.map(|(hash, _)| *hash) {
        all.remove(&oldest);
    }
}

fn hash(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}

/// What orders of the session of this token must carry beside the token. Another site can let a browser send the cookie at
/// most; this it cannot read. It follows from the token, so that nothing more is kept.
pub(crate) fn csrf_of(token: &str) -> String {
    // Any length of key is right for the code.
    let code = Hmac::<Sha256>::new_from_slice(token.as_bytes()).map(|mut code| {
        code.update(b"hailstream orders of a session");
        code.finalize().into_bytes()
    });
    code.map(|code| URL_SAFE_NO_PAD.encode(code)).unwrap_or_default()
}

/// Whether it is that, in a time that tells nothing of it.
pub(crate) fn is_csrf_of(token: &str, told: &str) -> bool {
    let right = csrf_of(token);
    !right.is_empty() && Sha256::digest(right.as_bytes()) == Sha256::digest(told.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::roles::Role;
    use super::*;
    use std::collections::BTreeSet;

    fn key(id: &str, secret: &str) -> Key {
        Key {
            id: id.into(),
            secret: secret.into(),
            session_token: None,
            role: Role::Viewer,
            user: id.into(),
            enabled: true,
            expires_s: None,
        }
    }

    #[test]
    fn a_session_lasts_while_it_is_used_and_a_week_at_most() {
        let (env, clock) = Env::manual(1_000, 1);
        let sessions = Sessions::new(env);
        let token = sessions.begin(&key("A", "a")).unwrap();
        assert_eq!(token.len(), 43);
        for _ in 0..(LIFE_MS / (IDLE_MS / 2) - 1) {
            clock.advance_ms(IDLE_MS / 2);
            assert!(sessions.of(&token).unwrap().is_of(&key("A", "a")));
        }
        clock.advance_ms(IDLE_MS / 2);
        assert_eq!(sessions.of(&token), None);
        let idle = sessions.begin(&key("A", "a")).unwrap();
        clock.advance_ms(IDLE_MS);
        assert_eq!(sessions.of(&idle), None);
        // Nor does a request that looked at the clock before another used it.
        let session = sessions.of(&sessions.begin(&key("A", "a")).unwrap()).unwrap();
        assert!(session.lasts(session.used - 1));
        // The wall clock has no say.
        let token = sessions.begin(&key("A", "a")).unwrap();
        clock.jump_to_ms(0);
        assert!(sessions.of(&token).is_some());
        sessions.end(&token);
        assert_eq!(sessions.of(&token), None);
    }

    #[test]
    fn another_secret_is_another_key() {
        let sessions = Sessions::new(Env::manual(0, 1).0);
        let token = sessions.begin(&key("A", "a")).unwrap();
        let session = sessions.of(&token).unwrap();
        assert!(!session.is_of(&key("A", "b")) && !session.is_of(&key("B", "a")));
        assert!(!format!("{sessions:?}", sessions = sessions.by_hash.lock()).contains(&token));
        for wrong in ["", "A", &token[1..], &format!("{token}x")] {
            assert_eq!(sessions.of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sessions_are_bounded_for_a_key_and_in_all() {
        let (env, clock) = Env::manual(0, 1);
        let sessions = Sessions::new(env);
        let first = sessions.begin(&key("A", "a")).unwrap();
        let mut of_a = vec![];
        for _ in 0..OF_KEY_MAX {
            clock.advance_ms(1);
            of_a.push(sessions.begin(&key("A", "a")).unwrap());
        }
        assert_eq!(sessions.of(&first), None);
        assert!(of_a.iter().all(|token| sessions.of(token).is_some()));
        for i in 0..SESSIONS_MAX {
            clock.advance_ms(1);
            sessions.begin(&key(&format!("K{i}"), "s")).unwrap();
        }
        assert_eq!(sessions.by_hash.lock().len(), SESSIONS_MAX);
        assert_eq!(sessions.of(&of_a[0]), None);
    }

    #[test]
    fn what_orders_carry_belongs_to_one_token() {
        let sessions = Sessions::new(Env::manual(0, 1).0);
        let tokens: Vec<_> = (0..20).map(|_| sessions.begin(&key("A", "a")).unwrap()).collect();
        assert_eq!(tokens.iter().map(|token| csrf_of(token)).collect::<BTreeSet<_>>().len(), 20);
        assert!(is_csrf_of(&tokens[0], &csrf_of(&tokens[0])));
        for wrong in [csrf_of(&tokens[1]), tokens[0].clone(), String::new()] {
            assert!(!is_csrf_of(&tokens[0], &wrong));
        }
    }
}
