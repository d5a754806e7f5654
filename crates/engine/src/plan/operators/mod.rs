//! The plan's operators: large ones, NHWC inside, each a `TypedOp` of tract.
//!
//! | file | what it runs |
//! |---|---|
//! | `image` | from a photo's bytes to the first map |
//! | `convolution` | a convolution with its ReLU; the fully connected layer |
//! | `inception` | an inception module |
//! | `pooling` | max pooling, average pooling, local response normalization |
//! | `layout` | maps to and from tract's NCHW |
//! | `quantise` | maps from f32 to u8 and back |
//! | `arithmetic` | the number format of these |
//! | `map_memory` | the memory that the maps of a worker take turns in |
//! | `plan_operator` | the `TypedOp` around each |

pub(super) mod arithmetic;
pub(super) mod convolution;
pub(super) mod image;
pub(super) mod inception;
pub(super) mod layout;
pub(super) mod map_memory;
mod plan_operator;
pub(super) mod pooling;
pub(super) mod quantise;

pub(super) use map_memory::{Map, MapElement, MapMemory};
pub(super) use plan_operator::{Operator, PlanOperator, map_memory, own_name};

use std::sync::{Mutex, PoisonError};

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::team::Team;
use googlenet_kernels::map::{MapRowsMut, MapShape, MapView};
use googlenet_kernels::threads::Threads;

/// A map as tract passes it.
pub(super) fn map_fact<T: Datum>(shape: MapShape) -> TypedFact {
    T::fact(map_sizes(shape))
}

/// Its sizes, `[height + 2 * border, width + 2 * border, channels]`.
pub(super) fn map_sizes(shape: MapShape) -> [usize; 3] {
    let border = 2 * shape.border;
    [shape.height + border, shape.width + border, shape.channels]
}

/// Reads a map.
fn view<T: MapElement>(tensor: &Tensor, shape: MapShape) -> TractResult<MapView<'_, T>> {
    let view = Map::of(tensor)?.view();
    if view.shape() != shape {
        bail!("a map of {shape:?} is one of {:?}", view.shape());
    }
    Ok(view)
}

/// Reads a tensor of tract's.
fn slice<T: Datum>(tensor: &Tensor) -> TractResult<&[T]> {
    tensor.to_plain_array_view::<T>()?.to_slice().context("a tensor is contiguous")
}

/// Writes a tensor of tract's.
fn slice_mut<T: Datum>(tensor: &mut Tensor) -> TractResult<&mut [T]> {
    tensor.to_plain_array_view_mut::<T>()?.into_slice().context("a tensor is contiguous")
}

/// Writes all rows of `output`, on as many threads as are free.
fn on_rows<T: Send>(
    team: &Team,
    output: MapRowsMut<'_, T>,
    work: impl Fn(MapRowsMut<'_, T>) + Sync,
) {
    // More parts than threads: one that is late delays the others by little.
    const PARTS_A_THREAD: usize = 4;
    let threads = team.count();
    if threads == 1 {
        return work(output);
    }
    let parts = split(output, threads * PARTS_A_THREAD);
    let parts: Vec<Mutex<Option<MapRowsMut<'_, T>>>> =
        parts.into_iter().map(|part| Mutex::new(Some(part))).collect();
    team.share(parts.len(), &|index| {
        let part = parts[index].lock().unwrap_or_else(PoisonError::into_inner).take();
        part.into_iter().for_each(&work);
    });
}

/// Splits the rows of a map.
fn split<T>(whole: MapRowsMut<'_, T>, parts: usize) -> Vec<MapRowsMut<'_, T>> {
    let height = whole.shape().height;
    let parts = parts.min(height);
    let mut left = whole;
    let mut split = Vec::with_capacity(parts);
    for part in 1..parts {
        let (rows, rest) = left.split_at(height * part / parts);
        split.push(rows);
        left = rest;
    }
    split.push(left);
    split
}
