//! `/model/*`: what the network is and what each layer costs.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::accept::{Ranges, prefers};
use super::error::ApiError;
use super::openapi::errors::route_errors;
use super::state::{AppState, Service};
use googlenet_engine::groups::Group;
use googlenet_engine::model::{ChannelOrder, InstructionSets, OperatorCount, Resize};
use googlenet_engine::model_info::{ModelIdentity, ModelInfo};
use googlenet_engine::network::report::{LayerRow, ModuleRow, Totals};
use googlenet_engine::network::summary;

/// A table for people.
const TEXT: Ranges = ["text/plain", "text/*", "*/*"];

route_errors!(ModelErrors: QueueFull, NotReady, ShuttingDown);
route_errors!(LayerErrors: InvalidParameter, NotFound, NotReady, ShuttingDown);

/// The network at a glance.
#[derive(Serialize, ToSchema)]
pub struct Summary<'a> {
    #[serde(flatten)]
    name: &'a ModelIdentity,
    /// What runs it.
    framework: &'static str,
    input: InputFacts,
    /// Classes of the output.
    classes: usize,
    /// Weights and biases.
    parameters: u64,
    /// For one image.
    multiply_adds: u64,
    /// In data-flow order.
    modules: &'a [ModuleRow],
    /// What runs for a photo: `fast` are the kernels of this service, `tract` the operators that no
    /// rule knows.
    operators: &'a [OperatorCount],
    instruction_sets: InstructionSets,
}

/// From a photo to the network's input.
#[derive(Serialize, ToSchema)]
struct InputFacts {
    /// Order of the dimensions.
    layout: &'static str,
    /// `[n, channels, height, width]`; -1 is any number.
    #[schema(example = json!([-1, 3, 224, 224]))]
    shape: [i64; 4],
    #[schema(value_type = String, example = "BGR")]
    channels: ChannelOrder,
    /// Subtracted from each byte, in the order of `channels`.
    mean: [f32; 3],
    /// Multiplied after that.
    scale: [f32; 3],
    #[schema(value_type = Object)]
    resize: Resize,
}

impl<'a> Summary<'a> {
    /// The summary of `model`, which `operators` run.
    pub fn new(model: &'a ModelInfo, operators: &'a [OperatorCount]) -> Self {
        let preprocessing = &model.preprocessing;
        let side = preprocessing.side as i64;
        Self {
            name: &model.identity,
            framework: "tract",
            input: InputFacts {
                layout: "NCHW",
                shape: [-1, 3, side, side],
                channels: preprocessing.channels,
                mean: preprocessing.mean,
                scale: preprocessing.scale,
                resize: preprocessing.resize,
            },
            classes: model.classes(),
            parameters: model.report.totals.parameters,
            multiply_adds: model.report.totals.multiply_adds,
            modules: &model.report.modules,
            operators,
            instruction_sets: model.instruction_sets,
        }
    }
}

/// The network's input, modules and totals; with `Accept: text/plain` an aligned table.
#[utoipa::path(get, path = "/model/summary", tag = "model",
    responses(
        (status = 200, description = "The network at a glance",
            content((Summary = "application/json"), (String = "text/plain"))),
        ModelErrors))]
pub async fn summary(
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Service { model, operators, .. } = state.service()?;
    let vary = [(header::VARY, "accept")];
    Ok(if prefers(&headers, TEXT) {
        (vary, summary::text(&model.report, operators, model.instruction_sets)).into_response()
    } else {
        (vary, Json(Summary::new(model, operators))).into_response()
    })
}

/// All layers.
#[derive(Serialize, ToSchema)]
pub struct Layers<'a> {
    /// In data-flow order.
    layers: &'a [LayerRow],
    /// Over all layers.
    totals: Totals,
}

/// Every layer with its shapes, parameters and multiply-adds, in data-flow order, and the totals.
#[utoipa::path(get, path = "/model/layers", tag = "model",
    responses(
        (status = 200, description = "All layers", body = Layers),
        ModelErrors))]
pub async fn layers(State(state): State<AppState>) -> Result<Response, ApiError> {
    let report = &state.service()?.model.report;
    Ok(Json(Layers { layers: &report.layers, totals: report.totals }).into_response())
}

/// One layer. Names contain `/`, which may be sent as it is or as `%2F`.
#[utoipa::path(get, path = "/model/layers/{name}", tag = "model",
    params(("name" = String, Path, description = "As in /model/layers", example = "inception_3a/3x3_reduce")),
    responses(
        (status = 200, description = "The layer", body = LayerRow),
        LayerErrors))]
pub async fn layer(
    State(state): State<AppState>,
    name: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Response, ApiError> {
    let Path(name) = name.map_err(|e| ApiError::InvalidParameter(e.body_text()))?;
    let layers = &state.service()?.model.report.layers;
    let found = layers.iter().find(|layer| layer.name == name);
    found.map(|layer| Json(layer).into_response()).ok_or_else(|| {
        ApiError::UnknownName("there is no layer of this name; GET /model/layers lists them".into())
    })
}

/// The classes.
#[derive(Serialize, ToSchema)]
pub struct LabelList<'a> {
    /// Their number.
    classes: usize,
    /// By index.
    labels: Vec<LabelRow<'a>>,
}

/// One class.
#[derive(Serialize, ToSchema)]
struct LabelRow<'a> {
    /// Index in the network's output.
    class: usize,
    /// WordNet id.
    id: &'a str,
    /// Its first name.
    label: &'a str,
    /// All its names.
    labels: &'a [String],
}

/// The classes by index.
#[utoipa::path(get, path = "/model/labels", tag = "model",
    responses(
        (status = 200, description = "All classes", body = LabelList),
        ModelErrors))]
pub async fn labels(State(state): State<AppState>) -> Result<Response, ApiError> {
    let labels = state.service()?.model.labels.as_slice();
    let rows = labels.iter().enumerate().map(|(class, label)| LabelRow {
        class,
        id: &label.id,
        label: label.name(),
        labels: &label.names,
    });
    Ok(Json(LabelList { classes: labels.len(), labels: rows.collect() }).into_response())
}

/// The groups of the classes, a tree in which some have two parents.
#[derive(Serialize, ToSchema)]
pub struct GroupList<'a> {
    /// Parents before children.
    groups: Vec<GroupRow<'a>>,
    /// By index.
    classes: Vec<ClassParents<'a>>,
}

/// One group.
#[derive(Serialize, ToSchema)]
struct GroupRow<'a> {
    /// WordNet id.
    #[schema(example = "n02084071")]
    id: &'a str,
    /// What it is called.
    #[schema(example = "dog")]
    label: &'a str,
    /// Whether answers name it, and `within` takes its name.
    shown: bool,
    /// Ids of the groups right above it.
    #[schema(example = json!(["n02083346", "n01317541"]))]
    parents: Vec<&'a str>,
    /// The number of classes under it.
    #[schema(example = 118)]
    classes: usize,
}

/// Where a class is.
#[derive(Serialize, ToSchema)]
struct ClassParents<'a> {
    /// Index in the network's output.
    class: usize,
    /// WordNet id.
    id: &'a str,
    /// Ids of the groups right above it.
    parents: Vec<&'a str>,
}

/// The groups that the classes are in. Without ids of WordNet in the labels there are none.
#[utoipa::path(get, path = "/model/groups", tag = "model",
    responses(
        (status = 200, description = "All groups", body = GroupList),
        ModelErrors))]
pub async fn groups(State(state): State<AppState>) -> Result<Response, ApiError> {
    let model = &state.service()?.model;
    let groups = model.groups.as_slice();
    let rows = groups.iter().map(|Group { id, label, is_shown, parents, classes }| GroupRow {
        id,
        label,
        shown: *is_shown,
        parents: parents.iter().map(|&place| groups[place].id.as_str()).collect(),
        classes: classes.len(),
    });
    let classes = model.labels.ids().enumerate().map(|(class, id)| ClassParents {
        class,
        id,
        parents: model.groups.above(class).map(|group| group.id.as_str()).collect(),
    });
    Ok(Json(GroupList { groups: rows.collect(), classes: classes.collect() }).into_response())
}
