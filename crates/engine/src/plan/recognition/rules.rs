//! The rules: each looks at one tensor of tract's typed model, NCHW with a batch of 1, and says
//! which layer writes it. They go by structure and never by name.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::TypedConcat;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat, MaxPool, PoolSpec, SumPool};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math::{Add, Div, Max};
use tract_onnx::tract_core::ops::nn::{DataFormat, Reduce, Reducer};
use tract_onnx_opl::lrn::Lrn;

use super::affine::affine;
use super::constants::{Weights, by_channel, constant, floats, weights};
use super::input_scaling::input_scaling;
use super::{Convolution, FoundLayer, Inception, Layer, MapSize};
use googlenet_kernels::conv::ConvGeometry;
use googlenet_kernels::lrn::LrnParameters;
use googlenet_kernels::max_pool::PoolGeometry;

/// A layer that writes a tensor, and the tensor that it reads.
type Rule = fn(&TypedModel, OutletId) -> Option<(Layer, OutletId)>;

/// The layer that writes `outlet`, if a rule knows it.
pub(super) fn layer_at(model: &TypedModel, outlet: OutletId) -> Option<FoundLayer> {
    const RULES: &[Rule] = &[
        inception,
        convolution,
        max_pooling,
        local_response_norm,
        average_pooling,
        fully_connected,
        input_scaling,
    ];
    let (layer, input) = RULES.iter().find_map(|rule| rule(model, outlet))?;
    let input_size = map_size(model, input)?;
    let output_size = match &layer {
        Layer::FullyConnected(weights) => {
            MapSize { height: 1, width: 1, channels: weights.output_channels() }
        }
        _ => map_size(model, outlet)?,
    };
    Some(FoundLayer { layer, input, output: outlet, input_size, output_size })
}

/// `concat(1x1, 1x1 -> 3x3, 1x1 -> 5x5, pool -> 1x1)` along the channels, all of one input.
fn inception(model: &TypedModel, outlet: OutletId) -> Option<(Layer, OutletId)> {
    let node = model.node(outlet.node);
    let concat = node.op_as::<TypedConcat>()?;
    let [a, b, c, d] = *node.inputs.as_slice() else { return None };
    if concat.axis != 1 {
        return None;
    }
    let (o_1, x) = same_convolution(model, a)?;
    let (o_3, reduced) = same_convolution(model, b)?;
    let (r_3, x_3) = same_convolution(model, reduced)?;
    let (o_5, reduced) = same_convolution(model, c)?;
    let (r_5, x_5) = same_convolution(model, reduced)?;
    let (pool, pooled) = same_convolution(model, d)?;
    let (Layer::MaxPooling(window), x_pool) = max_pooling(model, pooled)? else { return None };
    let one = |part: &Convolution| part.geometry.kernel == (1, 1) && part.geometry.padding == 0;
    let size = map_size(model, x)?;
    let pooled = map_size(model, pooled)?;
    ([x_3, x_5, x_pool] == [x; 3]
        && [&o_1, &r_3, &r_5, &pool].into_iter().all(one)
        && (pooled.height, pooled.width) == (size.height, size.width))
        .then(|| {
            let module = Inception { o_1, r_3, o_3, r_5, o_5, window, pool };
            (Layer::Inception(Box::new(module)), x)
        })
}

/// A convolution with a ReLU that keeps the map's height and width: stride 1, 'same' padding.
fn same_convolution(model: &TypedModel, outlet: OutletId) -> Option<(Convolution, OutletId)> {
    let (Layer::Convolution(found), input) = convolution(model, outlet)? else { return None };
    let (from, to) = (map_size(model, input)?, map_size(model, outlet)?);
    let same = found.geometry.stride == 1 && (from.height, from.width) == (to.height, to.width);
    (same && found.relu).then_some((found, input))
}

/// `relu(scale * conv(x) + shift)`, where the ReLU and the affine part, which an exporter leaves of a
/// batch normalisation, may be missing.
fn convolution(model: &TypedModel, outlet: OutletId) -> Option<(Layer, OutletId)> {
    let (relu, mut at) = relu(model, outlet);
    let channels = map_size(model, at)?.channels;
    let mut scale = vec![1.0; channels];
    let mut shift = vec![0.0; channels];
    // From the output to the convolution: what was applied last is met first.
    while let Some((step, before)) = affine(model, at, |outlet| by_channel(model, outlet, channels))
    {
        for (channel, (&factor, &term)) in step.factor.iter().zip(&step.term).enumerate() {
            shift[channel] += scale[channel] * term;
            scale[channel] *= factor;
        }
        at = before;
    }
    let node = model.node(at.node);
    let conv = node.op_as::<Conv>()?;
    let plain = conv.group == 1
        && conv.q_params.is_none()
        && conv.kernel_fmt == KernelFormat::OIHW
        && conv.pool_spec.dilations().iter().all(|&dilation| dilation == 1);
    let (&[input, kernel, bias], true) = (node.inputs.as_slice(), plain) else { return None };
    let geometry = conv_geometry(model, &conv.pool_spec, input)?;
    let (sizes, mut weights) = weights(model, kernel)?;
    let inputs = geometry.input_channels;
    if sizes != [channels, inputs, geometry.kernel.0, geometry.kernel.1] {
        return None;
    }
    let mut bias = match floats(model, bias)?.1 {
        one if one.len() == 1 => vec![one[0]; channels],
        each => each,
    };
    if scale.iter().any(|&factor| factor != 1.0) {
        let of_channels = weights.chunks_exact(sizes[1..].iter().product()).zip(&scale);
        let scaled =
            of_channels.flat_map(|(weights, scale)| weights.iter().map(move |w| w * scale));
        weights = Weights::Own(scaled.collect());
    }
    for (channel, value) in bias.iter_mut().enumerate() {
        *value = *value * scale.get(channel)? + shift[channel];
    }
    (bias.len() == channels).then_some((
        Layer::Convolution(Convolution { geometry, weights, bias, relu, output: outlet }),
        input,
    ))
}

fn max_pooling(model: &TypedModel, outlet: OutletId) -> Option<(Layer, OutletId)> {
    let node = model.node(outlet.node);
    let pool = node.op_as::<MaxPool>().filter(|pool| pool.with_index_outputs.is_none())?;
    let geometry = pool_geometry(model, &pool.pool_spec, node.inputs[0])?;
    let (input, output) = (map_size(model, node.inputs[0])?, map_size(model, outlet)?);
    // A window that lies wholly in the padding has no largest value.
    let last = |outputs: usize| (outputs - 1) * geometry.stride;
    let inside = last(output.height) < input.height + geometry.padding
        && last(output.width) < input.width + geometry.padding
        && geometry.padding < geometry.kernel;
    inside.then_some((Layer::MaxPooling(geometry), node.inputs[0]))
}

fn local_response_norm(model: &TypedModel, outlet: OutletId) -> Option<(Layer, OutletId)> {
    let node = model.node(outlet.node);
    let lrn = node.op_as::<Lrn>()?;
    let parameters =
        LrnParameters { size: lrn.size, alpha: lrn.alpha, beta: lrn.beta, bias: lrn.bias };
    let has_kernel = lrn.size % 2 == 1 && lrn.size <= LrnParameters::LARGEST;
    has_kernel.then_some((Layer::LocalResponseNormalization(parameters), node.inputs[0]))
}

/// The mean over the whole map: a pool of the map's size, or the sum over its axes by its pixels.
fn average_pooling(model: &TypedModel, outlet: OutletId) -> Option<(Layer, OutletId)> {
    let node = model.node(outlet.node);
    let input = if let Some(pool) = node.op_as::<SumPool>() {
        let input = node.inputs[0];
        let (geometry, size) =
            (pool_geometry(model, &pool.pool_spec, input)?, map_size(model, input)?);
        let whole = pool.normalize
            && geometry.padding == 0
            && (size.height, size.width) == (geometry.kernel, geometry.kernel);
        whole.then_some(input)?
    } else {
        let [sum, divisor] = binary::<Div>(model, outlet)?;
        let sum = model.node(sum.node);
        let reduce = sum.op_as::<Reduce>()?;
        let size = map_size(model, sum.inputs[0])?;
        let pixels = (size.height * size.width) as f32;
        let mean = floats(model, divisor)?.1 == [pixels]
            && reduce.reducer == Reducer::Sum
            && reduce.axes.as_slice() == [2, 3];
        mean.then_some(sum.inputs[0])?
    };
    let channels = map_size(model, input)?.channels;
    (map_size(model, outlet)? == MapSize { height: 1, width: 1, channels })
        .then_some((Layer::AveragePooling, input))
}

/// `x * W + b` on a map of 1x1 that was flattened.
fn fully_connected(model: &TypedModel, outlet: OutletId) -> Option<(Layer, OutletId)> {
    let outputs = match sizes(model, outlet)?.as_slice() {
        [1, outputs] => *outputs,
        _ => return None,
    };
    let (product, bias) = match binary::<Add>(model, outlet) {
        Some([a, b]) => {
            let (variable, other) = if constant(model, b).is_some() { (a, b) } else { (b, a) };
            let (shape, values) = floats(model, other)?;
            let fits = shape.iter().product::<usize>() == outputs && shape.last() == Some(&outputs);
            (variable, fits.then_some(values)?)
        }
        None => (outlet, vec![0.0; outputs]),
    };
    let node = model.node(product.node);
    let einsum = node.op_as::<EinSum>().filter(|einsum| einsum.q_params.is_none())?;
    let &[flat, matrix] = node.inputs.as_slice() else { return None };
    let (shape, values) = weights(model, matrix)?;
    let inputs = sizes(model, flat)?.iter().product::<usize>();
    let transposed = match einsum.axes.to_string().as_str() {
        "mk,nk->mn" => true,
        "mk,kn->mn" => false,
        _ => return None,
    };
    let weights = match (transposed, shape.as_slice()) {
        (true, &[o, i]) if (o, i) == (outputs, inputs) => values,
        (false, &[i, o]) if (o, i) == (outputs, inputs) => {
            let turned = (0..o).flat_map(|o_index| values[o_index..].iter().step_by(o));
            Weights::Own(turned.copied().collect())
        }
        _ => return None,
    };
    let input = before_flattening(model, flat)?;
    let geometry = ConvGeometry { kernel: (1, 1), stride: 1, padding: 0, input_channels: inputs };
    let layer = Convolution { geometry, weights, bias, relu: false, output: outlet };
    Some((Layer::FullyConnected(layer), input))
}

/// The map of 1x1, `[1, C, 1, 1]`, that `[1, C]` was made of.
fn before_flattening(model: &TypedModel, mut at: OutletId) -> Option<OutletId> {
    loop {
        let node = model.node(at.node);
        let passes = match node.op_as::<AxisOp>() {
            Some(&AxisOp::Move(from, to)) => keeps_order(&sizes(model, node.inputs[0])?, from, to),
            Some(_) => true,
            None => matches!(&*node.op.name(), "Dropout" | "Identity"),
        };
        if !passes {
            return map_size(model, at)
                .filter(|size| (size.height, size.width) == (1, 1))
                .map(|_| at);
        }
        at = *node.inputs.first()?;
    }
}

/// Whether moving an axis leaves the elements in their order: of those that change places all but one have size 1.
fn keeps_order(sizes: &[usize], from: usize, to: usize) -> bool {
    let moved = sizes.get(from) == Some(&1);
    let passed = if from < to { from + 1..to + 1 } else { to..from };
    moved || sizes.get(passed).is_some_and(|passed| passed.iter().all(|&size| size == 1))
}

/// `max(x, 0)`, or what stands there.
fn relu(model: &TypedModel, outlet: OutletId) -> (bool, OutletId) {
    let is_zero =
        |at| floats(model, at).is_some_and(|(_, values)| values.iter().all(|&value| value == 0.0));
    // Spread over the zeros, `x` would become larger.
    let is_whole = |at| sizes(model, at).is_some() && sizes(model, at) == sizes(model, outlet);
    match binary::<Max>(model, outlet) {
        Some([a, b]) if is_zero(b) && is_whole(a) => (true, a),
        Some([a, b]) if is_zero(a) && is_whole(b) => (true, b),
        _ => (false, outlet),
    }
}

/// Both inputs of a binary operator of kind `B`.
fn binary<B: tract_onnx::tract_core::ops::binary::BinMiniOp>(
    model: &TypedModel,
    outlet: OutletId,
) -> Option<[OutletId; 2]> {
    let node = model.node(outlet.node);
    let op = node.op_as::<TypedBinOp>()?;
    op.0.is::<B>().then_some(())?;
    node.inputs.as_slice().try_into().ok()
}

fn conv_geometry(model: &TypedModel, spec: &PoolSpec, input: OutletId) -> Option<ConvGeometry> {
    let (kernel, stride, padding) = window(model, spec, input)?;
    Some(ConvGeometry { kernel, stride, padding, input_channels: spec.input_channels })
}

fn pool_geometry(model: &TypedModel, spec: &PoolSpec, input: OutletId) -> Option<PoolGeometry> {
    let (kernel, stride, padding) = window(model, spec, input)?;
    let close = spec.dilations().iter().all(|&dilation| dilation == 1);
    (kernel.0 == kernel.1 && close).then_some(PoolGeometry { kernel: kernel.0, stride, padding })
}

/// Kernel `(height, width)`, stride and padding at the top and left, where these are the same for
/// height and width.
fn window(
    model: &TypedModel,
    spec: &PoolSpec,
    input: OutletId,
) -> Option<((usize, usize), usize, usize)> {
    let size = map_size(model, input)?;
    let (&[height, width], true) =
        (spec.kernel_shape.as_slice(), spec.data_format == DataFormat::NCHW)
    else {
        return None;
    };
    let dilations = spec.dilations();
    let strides = spec.strides();
    let padded = spec.padding.compute(
        &[size.height, size.width],
        &spec.kernel_shape,
        dilations.as_ref(),
        strides.as_ref(),
    );
    let (stride, padding) = (strides[0], padded[0].pad_before);
    (strides[1] == stride && padded[1].pad_before == padding).then_some((
        (height, width),
        stride,
        padding,
    ))
}

/// Sizes of a tensor whose sizes are known.
fn sizes(model: &TypedModel, outlet: OutletId) -> Option<Vec<usize>> {
    let fact = model.outlet_fact(outlet).ok()?;
    let plain = fact.datum_type == f32::datum_type();
    fact.shape.as_concrete().filter(|_| plain).map(<[usize]>::to_vec)
}

/// Size of a feature map, `[1, C, H, W]`.
fn map_size(model: &TypedModel, outlet: OutletId) -> Option<MapSize> {
    match *sizes(model, outlet)?.as_slice() {
        [1, channels, height, width] if channels * height * width > 0 => {
            Some(MapSize { height, width, channels })
        }
        _ => None,
    }
}
