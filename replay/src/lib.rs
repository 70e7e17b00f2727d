//! Replays history into puts: reading, ordering, pacing, resending what was refused, and a generator of a plausible day.
