//! The report as text: a table of the layers as Keras prints one, and the inception modules beside
//! Table 1 of the paper.

use super::description::{INCEPTIONS, TABLE_1_PARAMETERS};
use super::module_times::ModuleTime;
use super::report::{Branches, LayerRow, ModelReport, ModuleKind, ModuleRow, Totals};
use super::text_table::Align::{Left, Right};
use super::text_table::{Table, thousands};
use crate::model::{InstructionSets, OperatorCount};

/// Writes `report`, and the operators that run it on these instruction sets, as aligned lines of plain text, the last
/// one ended.
pub fn text(
    report: &ModelReport,
    operators: &[OperatorCount],
    instruction_sets: InstructionSets,
) -> String {
    let mut text = layers(report).text();
    text.push_str(
        "Sees: the receptive field, the side in pixels of the square of the photo that a value depends on.\n",
    );
    if report.inceptions().next().is_some() {
        text.push('\n');
        text.push_str(&inceptions(report).text());
        text.push_str(
            "Table 1: the parameters that the paper prints, in thousands. Direct: with the 3x3 and \
             5x5\nconvolutions straight on the module's input, without the 1x1 reductions before \
             them.\n",
        );
    }
    text.push('\n');
    text.push_str(&totals(report.totals));
    text.push('\n');
    text.push_str(&plan(operators).text());
    text.push_str("Fast: the kernels of this service. Tract: operators that no rule knows.\n");
    text.push_str(&format!("Instruction sets: {instruction_sets}.\n"));
    text
}

/// What each module took, as aligned lines of plain text, the last one ended.
pub fn times_text(times: &[ModuleTime]) -> String {
    let head = [("Module", Left), ("Milliseconds", Right), ("Share", Right)];
    let mut table = Table::new(head.into_iter().chain([("Multiply-adds/s", Right)]));
    let whole: f64 = times.iter().map(|time| time.milliseconds).sum();
    for time in times {
        let share = 100.0 * time.milliseconds / whole.max(f64::MIN_POSITIVE);
        let rate = time.multiply_adds_per_second.map(|rate| format!("{:.1} G", rate / 1e9));
        table.row([
            time.name.clone(),
            format!("{:.3}", time.milliseconds),
            format!("{share:.1}%"),
            rate.unwrap_or_default(),
        ]);
    }
    table.rule();
    table.row(["Total".to_owned(), format!("{whole:.3}"), String::new(), String::new()]);
    table.text()
}

/// The operators that run for a photo.
fn plan(operators: &[OperatorCount]) -> Table {
    let names = ["Operator of the plan", "Path", "Reads", "Writes"].map(|name| (name, Left));
    let mut table = Table::new(names.into_iter().chain([("Count", Right)]));
    for row in operators {
        let OperatorCount { operator, path, reads, writes, count } = row;
        table.row([
            operator.clone(),
            path.as_str().to_owned(),
            reads.clone(),
            writes.clone(),
            count.to_string(),
        ]);
    }
    table
}

/// The modules, each with its layers where it has several branches.
fn layers(report: &ModelReport) -> Table {
    let mut table = Table::new(
        [("Layer", Left), ("Kind", Left), ("Output", Right), ("Sees", Right)]
            .into_iter()
            .chain([("Parameters", Right), ("Multiply-adds", Right)]),
    );
    let mut last_module: Option<&str> = None;
    for layer in &report.layers {
        let Some(name) = layer.module.as_deref() else {
            table.row(layer_cells(&layer.name, layer));
            last_module = None;
            continue;
        };
        let Some(module) = report.modules.iter().find(|module| module.name == name) else {
            continue;
        };
        if last_module != Some(name) {
            table.row(module_cells(module));
            last_module = Some(name);
        }
        if module.kind == ModuleKind::Inception && layer.kernel.is_some() {
            table.row(layer_cells(&format!("  {}", layer.name), layer));
        }
    }
    let Totals { parameters, multiply_adds, .. } = report.totals;
    table.rule();
    table.row(
        ["Total".to_owned(), String::new(), String::new(), String::new()]
            .into_iter()
            .chain([parameters, multiply_adds].map(thousands)),
    );
    table
}

fn module_cells(module: &ModuleRow) -> Vec<String> {
    let kind = match module.kind {
        ModuleKind::Convolution => "convolution",
        ModuleKind::MaxPooling => "max pooling",
        ModuleKind::LocalResponseNormalization => "response normalization",
        ModuleKind::Inception => "inception",
        ModuleKind::AveragePooling => "average pooling",
        ModuleKind::Dropout => "dropout",
        ModuleKind::FullyConnected => "fully connected",
        ModuleKind::Softmax => "softmax",
    };
    let counts = [module.parameters, module.multiply_adds].map(thousands);
    let field = module.receptive_field;
    [module.name.clone(), kind.to_owned(), shape(module.output.as_deref()), pixels(field)]
        .into_iter()
        .chain(counts)
        .collect()
}

fn layer_cells(name: &str, layer: &LayerRow) -> Vec<String> {
    let counts = [layer.parameters, layer.multiply_adds].map(thousands);
    let field = layer.receptive_field;
    [name.to_owned(), layer.operator.clone(), shape(layer.output.as_deref()), pixels(field)]
        .into_iter()
        .chain(counts)
        .collect()
}

/// The six numbers of each inception module and what they cost.
fn inceptions(report: &ModelReport) -> Table {
    let numbers = ["o_1", "r_3", "o_3", "r_5", "o_5", "pool"].map(|number| (number, Right));
    let costs = ["Parameters", "Table 1", "Direct", "Saved"].map(|cost| (cost, Right));
    let mut table =
        Table::new([("Inception module", Left)].into_iter().chain(numbers).chain(costs));
    for (module, branches) in report.inceptions() {
        let Branches { o_1, r_3, o_3, r_5, o_5, pool } = branches;
        let direct = module.parameters_without_reduction;
        let saved = direct.map(|direct| 1.0 - module.parameters as f64 / direct.max(1) as f64);
        table.row(
            [module.name.clone()]
                .into_iter()
                .chain([o_1, r_3, o_3, r_5, o_5, pool].map(|number| number.to_string()))
                .chain([
                    thousands(module.parameters),
                    table_1(&module.name, branches).unwrap_or_default(),
                    direct.map(thousands).unwrap_or_default(),
                    saved.map(|saved| format!("{:.0}%", 100.0 * saved)).unwrap_or_default(),
                ]),
        );
    }
    table
}

/// What Table 1 prints for a module that has its numbers.
fn table_1(name: &str, branches: Branches) -> Option<String> {
    let mut rows = INCEPTIONS.iter().zip(TABLE_1_PARAMETERS);
    let (_, printed) =
        rows.find(|((paper, six), _)| *paper == name && Branches::from(*six) == branches)?;
    Some(format!("{printed}K"))
}

fn totals(totals: Totals) -> String {
    let Totals { layers, layers_with_weights, parameters, multiply_adds } = totals;
    let mebibytes = parameters as f64 * 4.0 / f64::from(1 << 20);
    format!(
        "Operators in ONNX:   {layers}\n\
         Layers with weights: {layers_with_weights}\n\
         Parameters:          {} ({mebibytes:.1} MiB in f32)\n\
         Multiply-adds:       {} an image\n",
        thousands(parameters),
        thousands(multiply_adds)
    )
}

fn pixels(field: Option<usize>) -> String {
    field.map(|pixels| pixels.to_string()).unwrap_or_default()
}

/// `28 x 28 x 192`
fn shape(sizes: Option<&[usize]>) -> String {
    let sizes: Vec<String> = sizes.unwrap_or_default().iter().map(usize::to_string).collect();
    sizes.join(" x ")
}
