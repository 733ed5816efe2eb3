//! A reader that gives up on lines without end, so that memory stays bounded whatever the file is.

use std::cell::Cell;
use std::io::{Error, ErrorKind, Read, Result};
use std::rc::Rc;

/// The longest line (one record, line breaks inside quotes included) that is read.
pub(super) const LINE_MAX: usize = 1024 * 1024;
/// What the CSV reader takes ahead of the line it is in.
const READ_AHEAD: usize = 64 * 1024;

/// How many bytes were read since the last whole line.
#[derive(Clone, Default)]
pub(super) struct Budget(Rc<Cell<usize>>);

impl Budget {
    /// A line was completed; the next has the whole budget.
    pub(super) fn renew(&self) {
        self.0.set(0);
    }
}

/// Reads until one line takes more than its budget.
pub(super) struct Limited<R> {
    inner: R,
    budget: Budget,
}

impl<R> Limited<R> {
    pub(super) fn new(inner: R, budget: Budget) -> Self {
        Self { inner, budget }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.inner.read(buffer)?;
        let total = self.budget.0.get().saturating_add(read);
        self.budget.0.set(total);
        if total > LINE_MAX + READ_AHEAD { Err(Error::new(ErrorKind::FileTooLarge, TooLong)) } else { Ok(read) }
    }
}

/// The line is longer than [`LINE_MAX`].
#[derive(Debug, thiserror::Error)]
#[error("longer than 1 MiB (or a quote is never closed)")]
pub(super) struct TooLong;
