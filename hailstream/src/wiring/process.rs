//! What the process itself takes: memory, time of processors, room on the disk. Where the system does not tell, nothing is.

use model::Sample;
use rustix::param::{clock_ticks_per_second, page_size};
use std::path::Path;

/// Readings of this process and of the disk that holds `data_dir`.
pub(super) fn samples(data_dir: &Path) -> Vec<Sample> {
    let mut samples = Vec::new();
    if let Some(pages) = std::fs::read_to_string("/proc/self/statm").ok().and_then(|text| resident_pages(&text)) {
        samples.push(Sample::new("process_memory_bytes", pages * page_size() as f64));
    }
    if let Some(ticks) = std::fs::read_to_string("/proc/self/stat").ok().and_then(|text| cpu_ticks(&text)) {
        samples.push(Sample::new("process_cpu_seconds_total", ticks / clock_ticks_per_second() as f64));
    }
    if let Ok(disk) = rustix::fs::statvfs(data_dir) {
        let bytes = |blocks: u64| blocks as f64 * disk.f_frsize as f64;
        samples.push(Sample::new("disk_bytes", bytes(disk.f_blocks)));
        samples.push(Sample::new("disk_free_bytes", bytes(disk.f_bavail)));
    }
    samples
}

fn resident_pages(text: &str) -> Option<f64> {
    text.split_whitespace().nth(1)?.parse().ok()
}

/// Time of processors spent by the program and by the system for it. The name of the program, in parentheses, may hold
/// anything.
fn cpu_ticks(text: &str) -> Option<f64> {
    let behind = text.rsplit_once(')')?.1;
    let mut fields = behind.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_a_process_are_read() {
        assert_eq!(resident_pages("100 42 7 1 0 9 0\n"), Some(42.0));
        assert_eq!(cpu_ticks("7 (a) b) S 1 1 1 0 -1 4 5 6 7 8 30 12 0 0 20 0"), Some(42.0));
        assert_eq!((resident_pages("x"), cpu_ticks("nothing")), (None, None));
        let dir = tempfile::tempdir().unwrap();
        assert!(samples(dir.path()).iter().all(|sample| sample.value >= 0.0));
    }
}
