//! Rules that say when something has to grow or shrink. Each is a pure function of what was seen and what it remembers.

pub mod utility;
