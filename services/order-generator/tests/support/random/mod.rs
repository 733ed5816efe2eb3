//! Whatever the catalog, the data and the course of things: what a seed makes of them.
//!
//! The rule that must hold: a seed, and the numbers of the steps that are played, say all that happens.

pub mod catalogs;
pub mod organisation;
pub mod people;
pub mod systems;

/// Numbers that a seed decides.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Those of one part of what a seed decides, which the other parts leave alone.
    pub fn of(seed: u64, part: u64) -> Self {
        let mut mixed = Self::new(seed ^ part.wrapping_mul(0xd134_2543_de82_ef95).rotate_left(17));
        for _ in 0..4 {
            mixed.below(2);
        }
        mixed
    }

    pub fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The lower bits repeat sooner than the upper ones.
        ((self.0 >> 11) % count.max(1) as u64) as usize
    }

    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let place = self.below(all.len());
        all.get(place)
    }

    /// One of some that are there.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// One time in so many.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for place in (1..all.len()).rev() {
            all.swap(place, self.below(place + 1));
        }
    }
}
