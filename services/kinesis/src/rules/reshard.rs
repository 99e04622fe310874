//! How shards become other shards: by splits and merges of neighbours alone.

use crate::rules::hash_key::uniform;
use crate::state::Change;

/// A shard as far as its range and its origin matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) number: u32,
    pub(crate) hash_keys: (u128, u128),
    pub(crate) parents: Vec<u32>,
    pub(crate) is_open: bool,
}

/// Open shards, and what became of them, in the order in which it happened.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The shards that were there and those that were made since, by number.
    pub(crate) pieces: Vec<Piece>,
    /// Numbers as they were closed.
    pub(crate) closed: Vec<u32>,
    next: u32,
}

impl Layout {
    /// Begins with the open shards.
    pub(crate) fn new(pieces: Vec<Piece>, next: u32) -> Self {
        Self { pieces, closed: Vec::new(), next }
    }

    /// Makes a change; one that does not fit the shards changes nothing.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Split(number, at) => self.split(*number, *at),
            Change::Merge(one, other) => self.merge(*one, *other),
            Change::Scale(count) => self.scale(*count),
        }
    }

    fn open(&self, number: u32) -> Option<&Piece> {
        self.pieces.iter().find(|piece| piece.number == number && piece.is_open)
    }

    fn close(&mut self, number: u32) {
        if let Some(piece) = self.pieces.iter_mut().find(|piece| piece.number == number) {
            piece.is_open = false;
            self.closed.push(number);
        }
    }

    fn make(&mut self, hash_keys: (u128, u128), parents: Vec<u32>) {
        let number = self.next;
        self.next += 1;
        self.pieces.push(Piece { number, hash_keys, parents, is_open: true });
    }

    fn split(&mut self, number: u32, at: u128) {
        let Some((first, last)) = self.open(number).map(|piece| piece.hash_keys) else { return };
        if at <= first || at > last {
            return;
        }
        self.close(number);
        self.make((first, at - 1), vec![number]);
        self.make((at, last), vec![number]);
    }

    fn merge(&mut self, one: u32, other: u32) {
        let (Some(a), Some(b)) = (self.open(one), self.open(other)) else { return };
        let (a, b) = (a.hash_keys, b.hash_keys);
        if !are_neighbours(a, b) {
            return;
        }
        self.close(one);
        self.close(other);
        self.make((a.0.min(b.0), a.1.max(b.1)), vec![one, other]);
    }

    /// Splits at each border that is wanted and missing, then merges across those that are not
    /// wanted.
    fn scale(&mut self, count: u32) {
        let wanted: Vec<u128> = uniform(count).into_iter().map(|range| range.0).collect();
        for border in &wanted {
            let inside = |piece: &&Piece| {
                piece.is_open && piece.hash_keys.0 < *border && *border <= piece.hash_keys.1
            };
            if let Some(number) = self.pieces.iter().find(inside).map(|piece| piece.number) {
                self.split(number, *border);
            }
        }
        while let Some((left, right)) = self.unwanted_border(&wanted) {
            self.merge(left, right);
        }
    }

    /// Two open neighbours that are to be one.
    fn unwanted_border(&self, wanted: &[u128]) -> Option<(u32, u32)> {
        let mut open: Vec<&Piece> = self.pieces.iter().filter(|piece| piece.is_open).collect();
        open.sort_by_key(|piece| piece.hash_keys.0);
        let pair = open.windows(2).find(|pair| !wanted.contains(&pair[1].hash_keys.0))?;
        Some((pair[0].number, pair[1].number))
    }
}

/// True when one range begins behind the other's end.
pub(crate) fn are_neighbours(a: (u128, u128), b: (u128, u128)) -> bool {
    a.1.checked_add(1) == Some(b.0) || b.1.checked_add(1) == Some(a.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: u32) -> Layout {
        let pieces = uniform(count).into_iter().enumerate().map(|(number, hash_keys)| Piece {
            number: u32::try_from(number).unwrap(),
            hash_keys,
            parents: Vec::new(),
            is_open: true,
        });
        Layout::new(pieces.collect(), count)
    }

    fn open_ranges(layout: &Layout) -> Vec<(u128, u128)> {
        let open = layout.pieces.iter().filter(|piece| piece.is_open);
        let mut ranges: Vec<_> = open.map(|piece| piece.hash_keys).collect();
        ranges.sort_unstable();
        ranges
    }

    #[test]
    fn a_split_closes_one_shard_and_opens_two() {
        let mut layout = of(1);
        layout.apply(&Change::Split(0, 1000));
        assert_eq!(open_ranges(&layout), [(0, 999), (1000, u128::MAX)]);
        assert_eq!(layout.closed, [0]);
        assert!(layout.pieces[1..].iter().all(|piece| piece.parents == [0]));
    }

    #[test]
    fn a_merge_takes_neighbours_only() {
        let mut layout = of(3);
        layout.apply(&Change::Merge(0, 2));
        assert!(layout.closed.is_empty());
        layout.apply(&Change::Merge(1, 0));
        assert_eq!(layout.pieces[3].parents, [1, 0]);
        assert_eq!(open_ranges(&layout)[0], (0, uniform(3)[1].1));
    }

    #[test]
    fn any_count_is_reached_from_any_other_with_two_parents_at_most() {
        for from in 1..9 {
            for to in 1..9 {
                let mut layout = of(from);
                layout.apply(&Change::Scale(to));
                assert_eq!(open_ranges(&layout), uniform(to), "{from} to {to}");
                assert!(layout.pieces.iter().all(|piece| piece.parents.len() <= 2));
                if from == to {
                    assert!(layout.closed.is_empty());
                }
            }
        }
    }
}
