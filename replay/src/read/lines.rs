//! Bytes into lines, with a bound on the length of a line.

use std::io::{self, Read};

/// Bytes asked of the reader at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A line without its end (`\n` or `\r\n`).
    Whole(&'a [u8]),
    /// A line that is longer than allowed; it was passed over to its end.
    TooLong,
    /// There are no more.
    End,
}

/// Splits a reader into lines. It holds one chunk and one line at most.
pub(super) struct LineReader<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    line_bytes_max: usize,
    number: u64,
    inner_ended: bool,
}

impl<R: Read> LineReader<R> {
    /// Lines of `inner`, each of at most `line_bytes_max` bytes.
    pub(super) fn new(inner: R, line_bytes_max: usize) -> Self {
        let buffer = vec![0; CHUNK_BYTES];
        Self { inner, buffer, start: 0, end: 0, line_bytes_max, number: 0, inner_ended: false }
    }

    /// The next line and its number, counted from 1; an error comes with the number of the last line that was whole.
    pub(super) fn next_line(&mut self) -> Result<(Line<'_>, u64), (io::Error, u64)> {
        let mut too_long = false;
        let mut searched = 0;
        let stop = loop {
            let fresh = &self.buffer[self.start + searched..self.end];
            if let Some(at) = memchr::memchr(b'\n', fresh) {
                break self.start + searched + at;
            }
            searched = self.end - self.start;
            // One byte more than allowed, as the last may be the `\r` of a line end.
            if searched > self.line_bytes_max + 1 {
                too_long = true;
                self.start = self.end;
                searched = 0;
            }
            if self.inner_ended {
                if searched == 0 && !too_long {
                    return Ok((Line::End, self.number));
                }
                break self.end;
            }
            self.refill().map_err(|error| (error, self.number))?;
        };
        let line = &self.buffer[self.start..stop];
        self.start = (stop + 1).min(self.end);
        self.number += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = if self.number == 1 { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
        if too_long || line.len() > self.line_bytes_max {
            return Ok((Line::TooLong, self.number));
        }
        Ok((Line::Whole(line), self.number))
    }

    /// Moves the unfinished line to the front and reads more behind it.
    fn refill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.inner.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.inner_ended = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives a few bytes at a time, so that lines lie across reads.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(into.len());
            let (now, later) = self.0.split_at(length);
            into[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }

    fn split(text: &[u8], max: usize, at_once: usize) -> Vec<String> {
        let mut reader = LineReader::new(Dribble(text, at_once), max);
        let mut lines = Vec::new();
        loop {
            match reader.next_line().unwrap() {
                (Line::End, _) => return lines,
                (Line::TooLong, number) => lines.push(format!("{number}!")),
                (Line::Whole(line), number) => lines.push(format!("{number}:{}", String::from_utf8_lossy(line))),
            }
        }
    }

    #[test]
    fn lines_are_split_and_numbered() {
        let check = |text: &str, expected: &[&str]| {
            for at_once in [1, 2, 3, 1_000] {
                assert_eq!(split(text.as_bytes(), 5, at_once), expected, "{text:?} by {at_once}");
            }
        };
        check("", &[]);
        check("\n", &["1:"]);
        check("a\nb", &["1:a", "2:b"]);
        check("a\r\n\r\nb\n", &["1:a", "2:", "3:b"]);
        check("12345\n12345\r\n123456\n1", &["1:12345", "2:12345", "3!", "4:1"]);
        check("1234567890123\n1", &["1!", "2:1"]);
        check("1234567890123", &["1!"]);
        check("\u{feff}a\n", &["1:a"]);
    }

    #[test]
    fn a_line_may_be_longer_than_a_chunk_but_not_than_allowed() {
        let text = [vec![b'x'; CHUNK_BYTES * 3], b"\ny\n".to_vec()].concat();
        assert_eq!(split(&text, CHUNK_BYTES * 3, 100_000)[0].len(), CHUNK_BYTES * 3 + 2);
        assert_eq!(split(&text, CHUNK_BYTES, 100_000), ["1!", "2:y"]);
    }

    proptest! {
        #[test]
        fn every_byte_is_in_its_line(lines in proptest::collection::vec("[a-z]{0,9}", 0..20), at_once in 1usize..30) {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let expected: Vec<String> = lines.iter().enumerate().map(|(i, line)| format!("{}:{line}", i + 1)).collect();
            prop_assert_eq!(split(text.as_bytes(), 9, at_once), expected);
        }
    }
}
