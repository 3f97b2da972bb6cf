//! Chance that replays: the same seed gives the same world.

/// A small generator (xorshift64*, its seed spread by splitmix64).
#[derive(Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self((mixed ^ (mixed >> 31)) | 1)
    }

    /// 0 up to `sides`, exclusive.
    pub(super) fn roll(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        (high % u64::from(sides)) as u32
    }

    pub(super) fn one_in(&mut self, sides: u32) -> bool {
        self.roll(sides) == 0
    }

    /// An index below `length`, which is not 0.
    pub(super) fn below(&mut self, length: usize) -> usize {
        self.roll(length as u32) as usize
    }
}
