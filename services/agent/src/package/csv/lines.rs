//! A reader that gives up on lines without end, so that memory stays bounded whatever the file is, and that
//! knows whether the file ended inside quotes, which the CSV reader takes for a well-formed end.

use std::cell::Cell;
use std::io::{Error, ErrorKind, Read, Result};
use std::rc::Rc;

/// The longest line (one record, line breaks inside quotes included) that is read.
pub(super) const LINE_MAX: usize = 1024 * 1024;
/// What the CSV reader takes ahead of the line it is in.
const READ_AHEAD: usize = 64 * 1024;

/// What was read so far, as far as it matters; shared with the reader.
#[derive(Clone)]
pub(super) struct Progress(Rc<Cell<State>>);

#[derive(Clone, Copy)]
struct State {
    /// Bytes since the last whole line.
    line: usize,
    /// Bytes in all, up to the length of a byte order mark.
    begin: usize,
    delimiter: u8,
    place: Where,
    is_end: bool,
}

/// Where the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    /// At the beginning of a cell, the only place where a quote opens one.
    Cell,
    Inside,
    Quoted,
    /// After a quote inside quotes: it ends them, or stands for itself if another follows.
    Quote,
}

impl Progress {
    pub(super) fn new(delimiter: u8) -> Self {
        Self(Rc::new(Cell::new(State { line: 0, begin: 0, delimiter, place: Where::Cell, is_end: false })))
    }

    /// A line was completed; the next has the whole budget.
    pub(super) fn renew(&self) {
        self.0.set(State { line: 0, ..self.0.get() });
    }

    /// The end of the file was seen.
    pub(super) fn is_at_end(&self) -> bool {
        self.0.get().is_end
    }

    /// The file ended, and a quote is still open.
    pub(super) fn ended_in_quotes(&self) -> bool {
        self.is_at_end() && self.0.get().place == Where::Quoted
    }
}

impl State {
    fn pass(&mut self, byte: u8) {
        const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
        if BYTE_ORDER_MARK.get(self.begin) == Some(&byte) {
            self.begin += 1;
            return;
        }
        self.begin = BYTE_ORDER_MARK.len();
        self.place = match (self.place, byte) {
            (Where::Quoted, b'"') => Where::Quote,
            (Where::Quoted, _) | (Where::Cell | Where::Quote, b'"') => Where::Quoted,
            (_, b'\n') => Where::Cell,
            (_, byte) if byte == self.delimiter => Where::Cell,
            _ => Where::Inside,
        };
    }
}

/// Reads until one line takes more than its budget.
pub(super) struct Limited<R> {
    inner: R,
    progress: Progress,
}

impl<R> Limited<R> {
    pub(super) fn new(inner: R, progress: Progress) -> Self {
        Self { inner, progress }
    }

    /// What it reads from.
    pub(super) fn inner(&self) -> &R {
        &self.inner
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.inner.read(buffer)?;
        let mut state = self.progress.0.get();
        state.line = state.line.saturating_add(read);
        state.is_end = read == 0;
        buffer.iter().take(read).for_each(|byte| state.pass(*byte));
        self.progress.0.set(state);
        if state.line > LINE_MAX + READ_AHEAD { Err(Error::new(ErrorKind::FileTooLarge, TooLong)) } else { Ok(read) }
    }
}

/// The line is longer than [`LINE_MAX`].
#[derive(Debug, thiserror::Error)]
#[error("longer than 1 MiB (or a quote is never closed)")]
pub(super) struct TooLong;
