//! The novel that is part of the library.

use std::path::Path;

use super::Text;

/// "Alice's Adventures in Wonderland" by Lewis Carroll, 1865: 143,041 characters of 69 kinds, for networks that write.
///
/// ```
/// let alice = chainrule::data::alice();
/// assert_eq!((alice.codes.len(), alice.alphabet.len()), (143_041, 69));
/// assert!(alice.decode(&alice.codes)?.contains("Curiouser and curiouser!"));
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn alice() -> Text {
    let packed = include_bytes!("../../assets/alice.txt.gz");
    let text =
        crate::io::bytes::unpack(packed, Path::new("embedded novel")).expect("the embedded file is whole");
    Text::new(&String::from_utf8(text).expect("the embedded file is text")).expect("it isn't empty")
}
