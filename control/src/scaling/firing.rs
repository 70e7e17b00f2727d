//! Step policies that wait for an alarm: one that is fired takes the step for how far the figure is beyond its threshold.

use super::policies::{KeptPolicy, PolicyError};
use super::rules::held_back;
use super::{Adjustment, AdjustmentKind, Autoscaler, adjusted};
use model::Env;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A step policy that can be fired.
#[derive(Debug, Clone, PartialEq)]
pub struct Armed {
    /// Its name, what it is for, and its bounds; the rule in it is not asked.
    pub kept: KeptPolicy,
    /// How the amounts are meant.
    pub kind: AdjustmentKind,
    /// The steps.
    pub steps: Vec<Adjustment>,
    /// The smallest change of a step in per cent.
    pub magnitude_min: Option<u32>,
    /// How long a step holds later ones back, in seconds.
    pub cooldown_s: u32,
}

/// When a policy's last step was taken, and by how much it changed the capacity.
type LastStep = (u64, i64);

/// The step policies that alarms can fire, by name.
pub struct Policies {
    scaler: Arc<Autoscaler>,
    env: Env,
    armed: Mutex<BTreeMap<String, (Armed, Option<LastStep>)>>,
}

impl Policies {
    /// None yet; what is fired is done by `scaler`.
    pub fn new(scaler: Arc<Autoscaler>, env: Env) -> Self {
        Self { scaler, env, armed: Mutex::default() }
    }

    /// Lets a policy be fired; one of the same name goes.
    pub fn arm(&self, armed: Armed) {
        self.armed.lock().insert(armed.kept.id.clone(), (armed, None));
    }

    /// Lets a policy be fired no more.
    pub fn disarm(&self, id: &str) {
        self.armed.lock().remove(id);
    }

    /// Fires a policy for a figure of `value` whose alarm has this `threshold`. Gives back the number of the decision; `None`
    /// where no step holds, a cooldown lasts, or the bounds leave nothing to do.
    ///
    /// # Errors
    /// When there is no such policy, what it scales is not seen or being changed, or the decision could not be kept.
    pub fn fire(&self, id: &str, value: f64, threshold: f64) -> Result<Option<i64>, PolicyError> {
        let unknown = || PolicyError::Unknown(id.to_owned());
        let (armed, last) = self.armed.lock().get(id).cloned().ok_or_else(unknown)?;
        let subject = &armed.kept.subject;
        let capacity = self.scaler.capacity(subject).ok_or_else(|| PolicyError::NoCapacity(subject.clone()))?;
        let beyond = value - threshold;
        let Some(wanted) = adjusted(capacity, beyond, armed.kind, &armed.steps, armed.magnitude_min) else {
            return Ok(None);
        };
        let now_ms = self.env.now_ms();
        let wanted = held_back(armed.cooldown_s, capacity, wanted, now_ms, last);
        if wanted == capacity {
            return Ok(None);
        }
        let reason = format!("an alarm fired its policy: the figure is {value}, {beyond:+} beyond {threshold}");
        let done = self.scaler.order(&armed.kept, wanted, &reason)?;
        if done.is_some()
            && let Some((_, last)) = self.armed.lock().get_mut(id)
        {
            *last = Some((now_ms, i64::from(wanted) - i64::from(capacity)));
        }
        Ok(done)
    }
}
