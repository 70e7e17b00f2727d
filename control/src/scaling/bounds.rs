//! Bounds: they hold whatever a rule wants, and what they change is told.

use super::observation::kpus;
use super::verdict::{Account, Step, Verdict, Wish};
use super::{Bounds, Observation, Policy, Prices};

/// Brings a wish within the policy's bounds, and accounts for it.
pub(super) fn hold(seen: &Observation, policy: &Policy, wish: Wish) -> Verdict {
    let mut held = Held { seen, bounds: &policy.bounds, prices: &policy.prices, told: Vec::new() };
    let mut shards = wish.shards.and_then(|wanted| held.shards(wanted));
    let mut split = wish.split.clone();
    if !split.is_empty() {
        held.splits(&mut split);
    }
    if let Some(target) = shards
        && held.is_counted_out()
    {
        // A split is not one of the changes that are counted.
        shards = None;
        split = held.by_splits(target);
    }
    let mut size = wish.size.and_then(|(parallelism, per_kpu)| held.size(parallelism, per_kpu));
    held.cap(&mut shards, &mut split, &mut size);
    let before = held.price(None, 0, None);
    let after = held.price(shards, split.len() as u32, size);
    let mut steps: Vec<Step> = shards.map(Step::Shards).into_iter().collect();
    if !split.is_empty() {
        steps.push(Step::Split(split));
    }
    steps.extend(size.map(|(parallelism, per_kpu)| Step::Scale { parallelism, per_kpu }));
    if steps.is_empty() && wish.refusal.is_none() {
        return Verdict::stay();
    }
    let account = Account {
        reason: wish.reason,
        formula: wish.formula,
        inputs: wish.inputs,
        otherwise: wish.otherwise,
        bounded: held.told,
        price_per_hour: (before, after),
        expected_rate: wish.expected_rate,
    };
    Verdict { steps, refusal: wish.refusal, account: Some(account) }
}

/// What brings a size within the policy's bounds that is outside of them; nothing where it is within.
pub(super) fn broken(seen: &Observation, policy: &Policy) -> Wish {
    let bounds = &policy.bounds;
    let size = seen.settled_application().and_then(|application| {
        let within = bounds.parallelism(application.parallelism, application.per_kpu);
        (within != application.parallelism).then_some((within, application.per_kpu))
    });
    let shards = seen.settled_stream().and_then(|stream| {
        let within = stream.open_shards().clamp(bounds.shards_min, bounds.shards_max);
        (within != stream.open_shards()).then_some(within)
    });
    if size.is_none() && shards.is_none() {
        return Wish::default();
    }
    Wish {
        reason: "the size is outside the bounds of its policy".to_owned(),
        formula: format!(
            "parallelism {} to {}, shards {} to {}",
            bounds.parallelism_min, bounds.parallelism_max, bounds.shards_min, bounds.shards_max,
        ),
        otherwise: "the size stays outside its bounds".to_owned(),
        size,
        shards,
        ..Wish::default()
    }
}

impl Bounds {
    /// The highest parallelism of which so many subtasks share a KPU.
    fn parallelism_most(&self, per_kpu: u32) -> u32 {
        self.parallelism_max.min(self.kpus_max.saturating_mul(per_kpu.max(1)))
    }

    /// A parallelism brought within them. Where the KPUs do not suffice for the lowest one, they win.
    fn parallelism(&self, wanted: u32, per_kpu: u32) -> u32 {
        let most = self.parallelism_most(per_kpu);
        wanted.clamp(self.parallelism_min.min(most), most)
    }
}

struct Held<'a> {
    seen: &'a Observation,
    bounds: &'a Bounds,
    prices: &'a Prices,
    told: Vec<String>,
}

impl Held<'_> {
    fn open_shards(&self) -> u32 {
        self.seen.stream.as_ref().map_or(0, super::StreamSeen::open_shards)
    }

    /// The count to change to: one change at a time, within the bounds, at most twice and at least half.
    fn shards(&mut self, wanted: u32) -> Option<u32> {
        let stream = self.seen.settled_stream()?;
        let open = stream.open_shards();
        let bounded = wanted.clamp(self.bounds.shards_min, self.bounds.shards_max);
        let target = bounded.clamp(open.div_ceil(2), open.saturating_mul(2));
        if bounded != wanted {
            self.told
                .push(format!("{wanted} shards are outside {} to {}", self.bounds.shards_min, self.bounds.shards_max));
        }
        if target != bounded {
            self.told.push(format!("one change takes {open} shards to half or twice as many: {target} for now"));
        }
        (target != open).then_some(target)
    }

    fn splits(&mut self, split: &mut Vec<u32>) {
        let Some(stream) = self.seen.settled_stream() else {
            split.clear();
            return;
        };
        let room = self.bounds.shards_max.saturating_sub(stream.open_shards()) as usize;
        if split.len() > room {
            self.told.push(format!("{} shards are the most there may be", self.bounds.shards_max));
            split.truncate(room);
        }
    }

    fn is_counted_out(&mut self) -> bool {
        let out = self.seen.stream.as_ref().is_some_and(|stream| stream.resizes_left == Some(0));
        if out {
            self.told.push("the day's changes of the shard count are used up".to_owned());
        }
        out
    }

    /// The fullest shards, as many as are missing; none where there shall be fewer.
    fn by_splits(&self, target: u32) -> Vec<u32> {
        let Some(stream) = &self.seen.stream else { return Vec::new() };
        let mut shards: Vec<_> = stream.shards.iter().map(|shard| (shard.use_of_limits(), shard.number)).collect();
        shards.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let missing = target.saturating_sub(stream.open_shards()) as usize;
        shards.into_iter().take(missing).map(|(_, number)| number).collect()
    }

    fn size(&mut self, wanted: u32, per_kpu: u32) -> Option<(u32, u32)> {
        let seen = self.seen.settled_application()?;
        let per_kpu = per_kpu.max(1);
        let parallelism = self.bounds.parallelism(wanted, per_kpu);
        if parallelism != wanted {
            self.told.push(format!(
                "parallelism {wanted} is outside {} to {} ({} KPUs at most)",
                self.bounds.parallelism_min,
                self.bounds.parallelism_most(per_kpu),
                self.bounds.kpus_max,
            ));
        }
        ((parallelism, per_kpu) != (seen.parallelism, seen.per_kpu)).then_some((parallelism, per_kpu))
    }

    fn price(&self, shards: Option<u32>, splits: u32, size: Option<(u32, u32)>) -> f64 {
        let kpus_now = self.seen.application.as_ref().map_or(0, super::ApplicationSeen::kpus);
        let kpus = size.map_or(kpus_now, |(parallelism, per_kpu)| kpus(parallelism, per_kpu));
        self.prices.size_per_hour(shards.unwrap_or(self.open_shards()) + splits, kpus)
    }

    /// Takes from what would grow until the price is within the cap: slots first, which come back sooner than shards.
    fn cap(&mut self, shards: &mut Option<u32>, split: &mut Vec<u32>, size: &mut Option<(u32, u32)>) {
        let Some(cap) = self.bounds.cost_per_hour_max else { return };
        let over = |held: &Self, shards: &Option<u32>, split: &Vec<u32>, size: &Option<(u32, u32)>| {
            held.price(*shards, split.len() as u32, *size) > cap + 1e-9
        };
        if !over(self, shards, split, size) {
            return;
        }
        self.told.push(format!("a size may cost {cap} USD an hour at most"));
        let parallelism = self.seen.application.as_ref().map_or(0, |application| application.parallelism);
        while over(self, shards, split, size)
            && let Some((wanted, per_kpu)) = *size
            && wanted > parallelism
        {
            *size = (wanted - 1 > parallelism).then_some((wanted - 1, per_kpu));
        }
        while over(self, shards, split, size) && split.pop().is_some() {}
        let open = self.open_shards();
        while over(self, shards, split, size)
            && let Some(wanted) = *shards
            && wanted > open
        {
            *shards = (wanted - 1 > open).then_some(wanted - 1);
        }
    }
}
