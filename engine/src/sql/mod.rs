//! From the text of a script to checked plans.
