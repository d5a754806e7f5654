//! How long the modules of a network take, measured operator by operator.

use serde::Serialize;

use super::report::{ModelReport, ModuleKind, ModuleRow};
use crate::model::OperatorTime;

/// What a module took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModuleTime {
    /// As the report names the module; the operator's name where it belongs to none.
    pub name: String,
    /// The operator that runs it.
    pub operator: String,
    /// Median of the runs.
    pub milliseconds: f64,
    /// Of the module's multiply-adds, by that time; none where it has none.
    pub multiply_adds_per_second: Option<f64>,
}

/// The median of `runs`, in each of which the same operators ran in the same order, for the modules of `report`.
pub fn module_times(report: &ModelReport, runs: &[Vec<OperatorTime>]) -> Vec<ModuleTime> {
    let Some(first) = runs.first() else { return Vec::new() };
    let modules = modules_of(report, first);
    let timed = |(place, (operator, module)): (usize, (&OperatorTime, Option<&ModuleRow>))| {
        let mut seconds: Vec<f64> =
            runs.iter().filter_map(|run| Some(run.get(place)?.time.as_secs_f64())).collect();
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        let products = module.map(|module| module.multiply_adds).filter(|&products| products > 0);
        ModuleTime {
            name: module.map_or(&operator.operator, |module| &module.name).clone(),
            operator: operator.operator.clone(),
            milliseconds: median * 1e3,
            multiply_adds_per_second: products
                .filter(|_| median > 0.0)
                .map(|products| products as f64 / median),
        }
    };
    first.iter().zip(modules).enumerate().map(timed).collect()
}

/// The module that each operator runs. Both are in data-flow order: where there are as many operators of a kind as
/// modules, they belong together one by one.
fn modules_of<'a>(
    report: &'a ModelReport,
    operators: &[OperatorTime],
) -> Vec<Option<&'a ModuleRow>> {
    let mut modules = vec![None; operators.len()];
    for kind in KINDS {
        let runs_it = |operator: &OperatorTime| kind_of(&operator.operator) == Some(kind);
        let places = (0..operators.len()).filter(|&place| runs_it(&operators[place]));
        let places: Vec<usize> = places.collect();
        let rows: Vec<_> = report.modules.iter().filter(|row| row.kind == kind).collect();
        if rows.len() == places.len() {
            places.into_iter().zip(rows).for_each(|(place, row)| modules[place] = Some(row));
        }
    }
    modules
}

const KINDS: [ModuleKind; 7] = [
    ModuleKind::Convolution,
    ModuleKind::MaxPooling,
    ModuleKind::LocalResponseNormalization,
    ModuleKind::Inception,
    ModuleKind::AveragePooling,
    ModuleKind::FullyConnected,
    ModuleKind::Softmax,
];

/// What an operator runs.
fn kind_of(operator: &str) -> Option<ModuleKind> {
    Some(match operator {
        "Convolution" => ModuleKind::Convolution,
        "MaxPooling" => ModuleKind::MaxPooling,
        "LocalResponseNorm" => ModuleKind::LocalResponseNormalization,
        "Inception" => ModuleKind::Inception,
        "AveragePooling" => ModuleKind::AveragePooling,
        "FullyConnected" => ModuleKind::FullyConnected,
        "Softmax" => ModuleKind::Softmax,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::network::GoogLeNet;
    use crate::network::seeded::seeded_model;

    #[test]
    fn operators_find_their_modules_by_kind_and_order() {
        let report = ModelReport::new(&seeded_model(&GoogLeNet::new(64, 10).unwrap(), 1)).unwrap();
        let run = |milliseconds: u64| -> Vec<OperatorTime> {
            let time = Duration::from_millis(milliseconds);
            let mut module = None;
            let names = ["Normalise", "Convolution", "Convolution", "Convolution", "Inception"];
            let inceptions = ["Inception"; 8];
            let all = names.into_iter().chain(inceptions).chain(["FullyConnected", "MaxPooling"]);
            all.map(|name| {
                if name == "Inception" {
                    module = Some(module.map_or(0, |module| module + 1));
                }
                OperatorTime { operator: name.to_owned(), module, time }
            })
            .collect()
        };
        let times = module_times(&report, &[run(1), run(50), run(2)]);
        let names: Vec<&str> = times.iter().map(|time| time.name.as_str()).collect();
        assert_eq!(names[0], "Normalise");
        assert_eq!(names[1..4], ["conv1/7x7_s2", "conv2/3x3_reduce", "conv2/3x3"]);
        assert_eq!((names[4], names[12]), ("inception_3a", "inception_5b"));
        assert_eq!(names[14], "MaxPooling", "one operator for four modules is none of them");
        assert!(times.iter().all(|time| time.milliseconds == 2.0), "the median");
        let (row, _) = report.inceptions().next().unwrap();
        let rate = times[4].multiply_adds_per_second.unwrap();
        assert!((rate - row.multiply_adds as f64 / 2e-3).abs() < 1.0);
        assert_eq!(times[0].multiply_adds_per_second, None);
        assert!(module_times(&report, &[]).is_empty());
    }
}
