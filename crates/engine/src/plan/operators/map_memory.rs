//! The memory of a worker's maps.
//!
//! A map is dead as soon as the layers behind it have read it. So the maps of a worker take turns in a few blocks, which
//! stay in the cache of its core. With a block for each layer, the maps would take three times the memory, and each
//! would have left the cache before the next image writes it.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use googlenet_kernels::map::{MapRowsMut, MapShape, MapView, fill_border};
use googlenet_kernels::max_pool::PoolElement;

/// The blocks of one worker that hold no map now.
#[derive(Clone, Debug, Default)]
pub(in crate::plan) struct MapMemory {
    free: Arc<Free>,
    /// What the last module has left.
    inside: Arc<Mutex<Option<Box<dyn Any + Send>>>>,
}

#[derive(Debug, Default)]
pub(in crate::plan) struct Free {
    floats: Mutex<Vec<Block<f32>>>,
    bytes: Mutex<Vec<Block<u8>>>,
}

/// An element of a map.
pub(in crate::plan) trait MapElement: Datum + PoolElement + Default + Copy {
    /// The blocks of such elements.
    fn of(free: &Free) -> &Mutex<Vec<Block<Self>>>;
}

impl MapElement for f32 {
    fn of(free: &Free) -> &Mutex<Vec<Block<f32>>> {
        &free.floats
    }
}

impl MapElement for u8 {
    fn of(free: &Free) -> &Mutex<Vec<Block<u8>>> {
        &free.bytes
    }
}

impl MapMemory {
    /// A map to be written. Its border is 0; what is inside is left over from another map.
    pub(in crate::plan) fn map<T: MapElement>(&self, shape: MapShape) -> Map<T> {
        let mut map = self.unfilled(shape);
        fill_border(shape, map.values_mut(), T::default());
        map
    }

    /// The same with any border.
    pub(super) fn unfilled<T: MapElement>(&self, shape: MapShape) -> Map<T> {
        let mut free = lock(T::of(&self.free));
        let least = shape.len();
        let fits = |block: &Block<T>| block.len() >= least;
        // The smallest that fits, so that large ones stay free for large maps; else the largest, to grow.
        let by_size = free.iter().enumerate();
        let best = by_size
            .clone()
            .filter(|(_, block)| fits(block))
            .min_by_key(|(_, block)| block.len())
            .or_else(|| by_size.max_by_key(|(_, block)| block.len()));
        let block = best.map(|(index, _)| index).map(|index| free.swap_remove(index));
        drop(free);
        // One that is too small goes before a larger one comes.
        let block = block.filter(fits).unwrap_or_else(|| Block::new(least));
        Map { shape, block, home: Arc::clone(&self.free) }
    }

    /// Keeps what a module has left until the next one begins.
    pub(super) fn leave(&self, inside: impl Any + Send) {
        *lock(&self.inside) = Some(Box::new(inside));
    }

    /// Gives back what the last module has left.
    pub(super) fn clear(&self) {
        *lock(&self.inside) = None;
    }

    /// Reads what the module that ran last has left; none if it is of another kind.
    pub(in crate::plan) fn left<I: 'static, R>(&self, read: impl FnOnce(&I) -> R) -> Option<R> {
        lock(&self.inside).as_ref()?.downcast_ref().map(read)
    }
}

/// A panic elsewhere left a list of blocks, or what a module left, whole.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Elements from the begin of a cache line on.
#[derive(Debug)]
pub(in crate::plan) struct Block<T> {
    values: Vec<T>,
    start: usize,
}

impl<T: Copy + Default> Block<T> {
    const LINE: usize = 64;

    fn new(len: usize) -> Self {
        let values = vec![T::default(); len + Self::LINE / size_of::<T>()];
        let start = values.as_ptr().align_offset(Self::LINE).min(values.len() - len);
        Self { values, start }
    }

    /// The longest map that it can hold.
    fn len(&self) -> usize {
        self.values.len() - self.start
    }
}

/// A map of a worker. Its block is free again when it is dropped.
#[derive(Debug)]
pub(in crate::plan) struct Map<T: MapElement> {
    shape: MapShape,
    block: Block<T>,
    home: Arc<Free>,
}

impl<T: MapElement> Map<T> {
    /// Reads it.
    pub(in crate::plan) fn view(&self) -> MapView<'_, T> {
        MapView::new(self.shape, self.values())
    }

    /// Everything, the border included.
    pub(in crate::plan) fn values(&self) -> &[T] {
        &self.block.values[self.block.start..][..self.shape.len()]
    }

    /// The same, to be written.
    pub(super) fn values_mut(&mut self) -> &mut [T] {
        &mut self.block.values[self.block.start..][..self.shape.len()]
    }

    /// All rows, to be written.
    pub(super) fn rows(&mut self) -> MapRowsMut<'_, T> {
        MapRowsMut::whole(self.shape, self.values_mut())
    }

    /// As tract passes it on.
    pub(super) fn into_tensor(self) -> Tensor {
        Tensor::from_storage(T::datum_type(), &super::map_sizes(self.shape), self)
    }

    /// The map that tract has passed on.
    pub(in crate::plan) fn of(tensor: &Tensor) -> TractResult<&Self> {
        tensor.try_storage_as()
    }
}

impl<T: MapElement> Drop for Map<T> {
    fn drop(&mut self) {
        let block =
            Block { values: std::mem::take(&mut self.block.values), start: self.block.start };
        lock(T::of(&self.home)).push(block);
    }
}

impl<T: MapElement> fmt::Display for Map<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "map {:?}", self.shape)
    }
}

impl<T: MapElement> PartialEq for Map<T> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl<T: MapElement> Eq for Map<T> {}

/// tract passes a map on, and never reads it: what lies in a block is no tensor of its own.
impl<T: MapElement> TensorStorage for Map<T> {
    fn byte_len(&self) -> usize {
        size_of_val(self.values())
    }

    fn is_empty(&self) -> bool {
        self.values().is_empty()
    }

    fn deep_clone(&self) -> Box<dyn TensorStorage> {
        let mut copy =
            MapMemory { free: Arc::clone(&self.home), ..MapMemory::default() }.unfilled(self.shape);
        copy.values_mut().copy_from_slice(self.values());
        Box::new(copy)
    }

    fn as_plain_ram(&self) -> Option<&PlainStorage> {
        None
    }

    fn as_plain_ram_mut(&mut self) -> Option<&mut PlainStorage> {
        None
    }

    fn into_plain_ram(self: Box<Self>) -> Option<PlainStorage> {
        None
    }

    fn dyn_hash(&self, state: &mut dyn std::hash::Hasher) {
        state.write_usize(std::ptr::from_ref(self).addr());
    }

    fn exotic_fact(&self, _: &[usize]) -> TractResult<Option<Box<dyn ExoticFact>>> {
        Ok(None)
    }

    fn is_exotic(&self) -> bool {
        false
    }

    fn in_ram(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(side: usize) -> MapShape {
        MapShape { height: side, width: side, channels: 3, border: 1 }
    }

    fn free(memory: &MapMemory) -> Vec<usize> {
        let mut sizes: Vec<_> = lock(&memory.free.floats).iter().map(Block::len).collect();
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn maps_take_turns_in_the_smallest_blocks_that_fit() {
        let memory = MapMemory::default();
        let [small, large] = [4, 9].map(|side| memory.map::<f32>(shape(side)));
        let [of_small, of_large] = [&small, &large].map(|map| map.values().as_ptr());
        drop((large, small));
        assert_eq!(free(&memory).len(), 2);
        let again = memory.map::<f32>(shape(4));
        assert_eq!(again.values().as_ptr(), of_small, "the large block stays free");
        let second = memory.map::<f32>(shape(4));
        assert_eq!(
            second.values().as_ptr(),
            of_large,
            "a block that is too large is better than none"
        );
        drop((again, second));
        // The largest grows: no third block, and none of the size that nobody needs.
        drop(memory.map::<f32>(shape(20)));
        let sizes = free(&memory);
        assert_eq!(sizes.len(), 2);
        assert!(sizes[1] >= shape(20).len() && sizes[0] < shape(9).len(), "{sizes:?}");
    }

    #[test]
    fn a_border_is_zero_whatever_was_there() {
        let memory = MapMemory::default();
        memory.map::<u8>(shape(7)).values_mut().fill(9);
        let map = memory.map::<u8>(shape(5));
        let row = shape(5).row_len();
        let (inner, side) = (map.values()[row..6 * row].chunks_exact(row), 3);
        assert!(
            map.values()[..row].iter().chain(&map.values()[6 * row..]).all(|&value| value == 0)
        );
        for line in inner {
            assert!(line[..side].iter().chain(&line[row - side..]).all(|&value| value == 0));
        }
    }

    #[test]
    fn a_map_begins_with_a_cache_line_and_goes_through_tract_whole() {
        let memory = MapMemory::default();
        for side in 1..20 {
            let mut map = memory.map::<f32>(shape(side));
            assert_eq!(map.values().as_ptr().addr() % 64, 0);
            map.values_mut().fill(side as f32);
            let tensor = map.into_tensor();
            assert!(TypedFact::shape_and_dt_of(&tensor).matches(&tensor, None).unwrap());
            let copy = tensor.clone();
            let [first, second] = [&tensor, &copy].map(|tensor| Map::<f32>::of(tensor).unwrap());
            assert_eq!(first.values(), second.values());
            assert_ne!(first.values().as_ptr(), second.values().as_ptr());
            assert!(Map::<u8>::of(&tensor).is_err(), "a map of another format");
        }
        assert_eq!(free(&memory).len(), 2, "every map went back");
    }

    #[test]
    fn what_a_module_leaves_is_there_until_the_next() {
        let memory = MapMemory::default();
        memory.leave(memory.map::<f32>(shape(3)));
        let shapes = memory.clone().left(|map: &Map<f32>| map.shape);
        assert_eq!(shapes, Some(shape(3)));
        assert_eq!(memory.left(|map: &Map<u8>| map.shape), None);
        memory.clear();
        assert_eq!(memory.left(|map: &Map<f32>| map.shape), None);
        assert_eq!(free(&memory).len(), 1);
    }
}
