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
//! | `plan_operator` | the `TypedOp` around each: its output and scratch, made once for each worker |

pub(super) mod arithmetic;
pub(super) mod convolution;
pub(super) mod image;
pub(super) mod inception;
pub(super) mod layout;
mod plan_operator;
pub(super) mod pooling;
pub(super) mod quantise;

pub(super) use plan_operator::{Operator, PlanOperator, own_name, scratch_of};

use std::sync::{Mutex, PoisonError};

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::format_err;

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
fn view<T: Datum>(tensor: &Tensor, shape: MapShape) -> TractResult<MapView<'_, T>> {
    Ok(MapView::new(shape, elements(tensor, shape)?))
}

fn elements<T: Datum>(tensor: &Tensor, shape: MapShape) -> TractResult<&[T]> {
    let elements = slice::<T>(tensor)?;
    check_length(elements.len(), shape)?;
    Ok(elements)
}

fn slice<T: Datum>(tensor: &Tensor) -> TractResult<&[T]> {
    tensor.to_plain_array_view::<T>()?.to_slice().ok_or_else(no_slice)
}

/// All rows of a map, to be written.
fn rows<T: Datum>(tensor: &mut Tensor, shape: MapShape) -> TractResult<MapRowsMut<'_, T>> {
    let elements = slice_mut::<T>(tensor)?;
    check_length(elements.len(), shape)?;
    Ok(MapRowsMut::whole(shape, elements))
}

fn slice_mut<T: Datum>(tensor: &mut Tensor) -> TractResult<&mut [T]> {
    tensor.to_plain_array_view_mut::<T>()?.into_slice().ok_or_else(no_slice)
}

fn no_slice() -> TractError {
    format_err!("the tensor of a map is not contiguous")
}

fn check_length(length: usize, shape: MapShape) -> TractResult<()> {
    if length == shape.len() {
        return Ok(());
    }
    Err(format_err!("a map of {shape:?} has {length} elements"))
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
