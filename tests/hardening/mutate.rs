//! Deterministic damage to a text: what libFuzzer's mutators do, seeded, without a toolchain of its
//! own.

/// A small generator of numbers (xorshift64*); the same seed gives the same damage everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `end`; 0 where that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() >> 11) as usize % end.max(1)
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// No input is longer, or a run would measure memory copies.
pub const LONGEST: usize = 64 << 10;

/// Pieces that formats are made of, and those that break readers.
const PIECES: [&[u8]; 48] = [
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\t",
    b" ",
    b"\"",
    b"'",
    b"\\",
    b"|22",
    b"|",
    b"=",
    b" = ",
    b":",
    b",",
    b";",
    b"(",
    b")",
    b"[",
    b"]",
    b"{",
    b"}",
    b"<",
    b">",
    b"</a>",
    b"&amp;",
    b"&#0;",
    b"<unset>",
    b"null",
    b"-1",
    b"0",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"1e999",
    b"0x7fffffff",
    b"NaN",
    b"..",
    b"/",
    b"../",
    b"\x1b[2J",
    b"\x1b]0;x\x07",
    b"\x9b",
    b"\xff",
    b"\xe2\x80\xae",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\x9a\xa2",
    b"~",
    b"${vm}",
];

/// One to six kinds of damage to a seed.
pub fn damage(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(6) {
        once(&mut bytes, other, random);
        bytes.truncate(LONGEST);
    }
    bytes
}

fn once(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let to = (at + random.below(40)).min(bytes.len());
    match random.below(10) {
        0 if !bytes.is_empty() => {
            let at = at.min(bytes.len() - 1);
            bytes[at] ^= 1 << random.below(8);
        }
        1 => drop(bytes.drain(at..to)),
        2 => bytes.truncate(at),
        3 => {
            let piece = bytes[at..to].to_vec();
            insert(bytes, at, &piece);
        }
        4 => {
            // Deep nesting and endless lines are short to write.
            let piece = random.pick(&PIECES);
            let times = 1 << random.below(13);
            insert(bytes, at, &piece.repeat(times));
        }
        5 if !other.is_empty() => {
            let from = random.below(other.len());
            let end = (from + random.below(200)).min(other.len());
            insert(bytes, at, &other[from..end]);
        }
        6 => number(bytes, random),
        7 => {
            let line = bytes[..at]
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |end| end + 1);
            let end = bytes[at..]
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(bytes.len(), |end| at + end + 1);
            let line = bytes[line..end].to_vec();
            let to = random.below(bytes.len() + 1);
            insert(bytes, to, &line);
        }
        8 => {
            let noise: Vec<u8> = (0..random.below(12)).map(|_| random.next() as u8).collect();
            insert(bytes, at, &noise);
        }
        _ => insert(bytes, at, random.pick(&PIECES)),
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    let piece = &piece[..piece.len().min(LONGEST)];
    bytes.splice(at..at, piece.iter().copied());
}

/// Puts a huge number where some number stands.
fn number(bytes: &mut Vec<u8>, random: &mut Random) {
    let digits: Vec<usize> = (0..bytes.len())
        .filter(|at| bytes[*at].is_ascii_digit())
        .collect();
    let Some(&at) = digits.get(random.below(digits.len())) else {
        return;
    };
    let huge: [&[u8]; 5] = [
        b"99999999999999999999",
        b"-1",
        b"4294967296",
        b"9223372036854775808",
        b"0.0",
    ];
    bytes.splice(at..=at, random.pick(&huge).iter().copied());
}
