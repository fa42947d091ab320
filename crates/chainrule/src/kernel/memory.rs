//! Recycled buffers.

/// Elements whose buffers are recycled.
pub trait Recycled: Copy + Default + Send + Sync + 'static {}
impl<T: Copy + Default + Send + Sync + 'static> Recycled for T {}

/// A buffer of `len` elements whose contents are arbitrary.
pub fn take<T: Recycled>(len: usize) -> Vec<T> {
    vec![T::default(); len]
}

/// Gives a buffer back.
pub fn give<T: Recycled>(buffer: Vec<T>) {
    drop(buffer)
}
