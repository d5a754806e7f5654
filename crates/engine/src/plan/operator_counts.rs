//! Which operators a plan of tract is made of, ours and tract's.

use tract_onnx::prelude::*;

use super::operators::own_name;
use crate::model::{OperatorCount, OperatorPath};

/// The operators of `model` but its sources, kind by kind, in the order in which they first run.
pub(super) fn count_operators(model: &TypedModel) -> Vec<OperatorCount> {
    let mut counts: Vec<OperatorCount> = Vec::new();
    for node in model.nodes().iter().filter(|node| !node.inputs.is_empty()) {
        let name = node.op.name();
        let (operator, path) = match own_name(&name) {
            Some(own) => (own, OperatorPath::Fast),
            None => (name.as_ref(), OperatorPath::Tract),
        };
        let elements = |outlet: OutletId| {
            let fact = model.outlet_fact(outlet);
            fact.map_or_else(
                |_| String::new(),
                |fact| format!("{:?}", fact.datum_type).to_lowercase(),
            )
        };
        let one = OperatorCount {
            operator: operator.to_owned(),
            path,
            reads: elements(node.inputs[0]),
            writes: elements(OutletId::new(node.id, 0)),
            count: 1,
        };
        let same =
            |known: &&mut OperatorCount| OperatorCount { count: 1, ..(**known).clone() } == one;
        match counts.iter_mut().find(same) {
            Some(known) => known.count += 1,
            None => counts.push(one),
        }
    }
    counts
}
