//! Units of samples.

/// All units of CloudWatch. A unit's place is written into keys: nothing is ever moved or removed.
pub(crate) const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

/// A unit, by its place in [`UNITS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unit(u8);

impl Unit {
    /// Where samples say nothing of it.
    pub(crate) const NONE: Unit = Unit(26);

    /// The unit of this name.
    pub(crate) fn named(name: &str) -> Option<Unit> {
        let place = UNITS.iter().position(|unit| *unit == name)?;
        u8::try_from(place).ok().map(Unit)
    }

    /// The unit at this place.
    pub(crate) fn at(place: u8) -> Option<Unit> {
        (usize::from(place) < UNITS.len()).then_some(Unit(place))
    }

    /// Its place.
    pub(crate) fn place(self) -> u8 {
        self.0
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        UNITS.get(usize::from(self.0)).copied().unwrap_or("None")
    }
}

#[cfg(test)]
mod tests {
    use super::{UNITS, Unit};

    #[test]
    fn units_keep_their_places() {
        assert_eq!(
            (Unit::named("Seconds").map(Unit::place), Unit::named("Count").map(Unit::place)),
            (Some(0), Some(14))
        );
        assert_eq!((Unit::named("None"), Unit::NONE.name()), (Some(Unit::NONE), "None"));
        assert_eq!((Unit::named("count"), Unit::at(27)), (None, None));
        assert!(UNITS.iter().all(|name| Unit::named(name).map(Unit::name) == Some(name)));
    }
}
