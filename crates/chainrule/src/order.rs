//! Sorting, compiled once: the standard library makes its sort anew for every type and every order, some eight
//! kilobytes of code each. Here places are sorted, by an order that is called through a pointer; what lies at them
//! is moved afterwards. What sorts much and often has a sort of its own.

use std::cmp::Ordering;

/// The places 0 to `length` − 1 in this order, equal ones as they stand.
pub(crate) fn ranked(length: usize, order: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..length).collect();
    places.sort_by(|&a, &b| order(a, b));
    places
}

/// Sorts the items by this order; equal ones stay as they stand.
pub(crate) fn sort_by<T>(items: &mut [T], order: impl Fn(&T, &T) -> Ordering) {
    if items.len() < 2 {
        return;
    }
    let mut places = ranked(items.len(), &|a, b| order(&items[a], &items[b]));
    // Each cycle of the permutation moves on by one.
    for start in 0..items.len() {
        let mut place = start;
        while places[place] != start {
            let next = places[place];
            items.swap(place, next);
            places[place] = place;
            place = next;
        }
        places[place] = place;
    }
}

/// Sorts the items by their own order.
pub(crate) fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_sorts_as_the_standard_library_does(items in proptest::collection::vec((0u8..10, any::<u16>()), 0..60)) {
            let (mut ours, mut theirs) = (items.clone(), items);
            sort_by(&mut ours, |a, b| a.0.cmp(&b.0));
            theirs.sort_by_key(|item| item.0);
            prop_assert_eq!(&ours, &theirs);
            sort(&mut ours);
            theirs.sort();
            prop_assert_eq!(ours, theirs);
        }
    }
}
