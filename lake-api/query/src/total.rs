//! Expressions that do not fail on a value.
//!
//! A failure tells something about the rows: `1 / (CASE WHEN … THEN 0 ELSE 1 END)` fails when
//! there is a person of whom the condition holds. So a value for which an expression would
//! fail is NULL: a division by zero, a cast that cannot be made, a date that does not exist,
//! a number out of range.
//!
//! | part of an expression | becomes |
//! |---|---|
//! | cast | cast that gives NULL |
//! | division, remainder | the same with NULL for a divisor of zero |
//! | arithmetic of decimals, dates and times; division of whole numbers | [`Total`] |
//! | function outside [`NEVER_FAIL`] | [`Total`] |
//! | text put together from others | [`Total`], NULL beyond [`LONGEST_TEXT`] |
//!
//! Texts have a limit because memory has one: `concat(x, x)`, thirty subqueries deep and for one
//! person alone, would end the process, and its end is an answer, too.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch, new_null_array};
use arrow::compute::concat;
use arrow::compute::kernels::length::length;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DataFusionError, Result};
use datafusion::logical_expr::binary::BinaryTypeCoercer;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Cast, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, TryCast, Volatility, lit, when,
};
use datafusion::physical_expr::PhysicalExpr as _;
use datafusion::physical_expr::expressions::{BinaryExpr as PhysicalBinary, Column as PhysicalColumn};
use datafusion::scalar::ScalarValue;

/// Functions of the allow-list that have a value for all arguments of their types.
pub(crate) const NEVER_FAIL: &[&str] = &[
    "btrim",
    "ceil",
    "character_length",
    "coalesce",
    "contains",
    "ends_with",
    "exp",
    "floor",
    "greatest",
    "least",
    "left",
    "ln",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "nullif",
    "right",
    "rtrim",
    "signum",
    "sqrt",
    "starts_with",
    "strpos",
    "upper",
];

/// The longest text that an expression puts together, in bytes (`lpad`, `rpad`: characters).
const LONGEST_TEXT: i64 = 1_000;
/// Bytes that a value which is no text has at most as one.
const LONGEST_NUMBER: i64 = 50;

/// The plan with NULL wherever an expression of any node would fail on a row.
pub(crate) fn total_plan(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(Transformed::yes(name.restore(total(expr, &schema)?)))
        })?
        .map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(rewritten.data)
}

/// The expression with NULL where it would fail.
pub(crate) fn total(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let rewritten = expr.transform_up(|part| match part {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_arithmetic(op) => {
            arithmetic(*left, op, *right, schema).map(Transformed::yes)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
            Ok(Transformed::yes(Total::of(Inner::Operator(Operator::StringConcat), vec![*left, *right])))
        }
        Expr::Cast(Cast { expr, field }) => Ok(Transformed::yes(Expr::TryCast(TryCast { expr, field }))),
        Expr::ScalarFunction(ScalarFunction { func, args }) if !NEVER_FAIL.contains(&func.name()) => {
            let args = if matches!(func.name(), "lpad" | "rpad") { bounded(args)? } else { args };
            Ok(Transformed::yes(Total::of(Inner::Function(func), args)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

const fn is_arithmetic(operator: Operator) -> bool {
    matches!(operator, Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo)
}

fn arithmetic(left: Expr, op: Operator, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let (from, to) = (left.get_type(schema)?, right.get_type(schema)?);
    let divides = matches!(op, Operator::Divide | Operator::Modulo);
    let right = if divides && to.is_numeric() {
        let zero = Expr::Literal(ScalarValue::new_zero(&to)?, None);
        let null = Expr::Literal(ScalarValue::try_from(&to)?, None);
        when(right.clone().eq(zero), null).otherwise(right)?
    } else {
        right
    };
    let floats = from.is_floating() && to.is_floating();
    // Whole numbers that grow too large wrap around, as everywhere in the engine.
    let wraps = from.is_integer() && to.is_integer() && !divides;
    if floats || wraps {
        return Ok(Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) }));
    }
    Ok(Total::of(Inner::Operator(op), vec![left, right]))
}

/// The arguments of `lpad` and `rpad` with NULL for a length that no text needs.
fn bounded(args: Vec<Expr>) -> Result<Vec<Expr>> {
    let bound = |(place, arg): (usize, Expr)| {
        if place == 1 { when(arg.clone().lt_eq(lit(LONGEST_TEXT)), arg).end() } else { Ok(arg) }
    };
    args.into_iter().enumerate().map(bound).collect()
}

/// What is computed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Inner {
    Function(Arc<ScalarUDF>),
    Operator(Operator),
}

/// A function or operator that gives NULL for the rows on which it fails: a batch that fails is
/// halved until the rows that do are alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Total {
    inner: Inner,
    signature: Signature,
}

impl Total {
    /// The call of `inner`. The types have been coerced before, so it takes whatever it gets.
    fn of(inner: Inner, args: Vec<Expr>) -> Expr {
        let total = Self { inner, signature: Signature::variadic_any(Volatility::Immutable) };
        ScalarUDF::new_from_impl(total).call(args)
    }

    fn attempt(&self, args: ScalarFunctionArgs) -> Result<ArrayRef> {
        let (rows, target) = (args.number_rows, args.return_type().clone());
        if self.puts_texts_together() && longest_text(self.name(), &args)? > LONGEST_TEXT {
            return Err(DataFusionError::ResourcesExhausted("a text is too long".to_owned()));
        }
        let value = match &self.inner {
            Inner::Function(function) => function.invoke_with_args(args)?,
            Inner::Operator(op) => {
                // The engine's own operator, whose rules for dates are not those of the kernels.
                let sides = args.args.iter().map(|side| side.to_array(rows)).collect::<Result<Vec<_>>>()?;
                let named = ["left", "right"].into_iter().zip(sides);
                let batch = RecordBatch::try_from_iter_with_nullable(named.map(|(name, side)| (name, side, true)))?;
                let column = |name, place| Arc::new(PhysicalColumn::new(name, place));
                PhysicalBinary::new(column("left", 0), *op, column("right", 1)).evaluate(&batch)?
            }
        };
        let array = value.into_array(rows)?;
        if array.data_type() == &target { Ok(array) } else { Ok(arrow::compute::cast(&array, &target)?) }
    }

    fn puts_texts_together(&self) -> bool {
        matches!(self.name(), "concat" | "concat_ws" | "replace" | "joined_to")
    }

    fn halved(&self, args: &ScalarFunctionArgs) -> Result<ArrayRef> {
        let rows = args.number_rows;
        if let Ok(array) = self.attempt(args.clone()) {
            return Ok(array);
        }
        if rows <= 1 {
            return Ok(new_null_array(args.return_type(), rows));
        }
        let half = rows / 2;
        let parts = [(0, half), (half, rows - half)].map(|(from, length)| self.halved(&slice(args, from, length)));
        let [first, second] = parts;
        Ok(concat(&[first?.as_ref(), second?.as_ref()])?)
    }
}

fn slice(args: &ScalarFunctionArgs, from: usize, length: usize) -> ScalarFunctionArgs {
    let part = |value: &ColumnarValue| match value {
        ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(from, length)),
        ColumnarValue::Scalar(scalar) => ColumnarValue::Scalar(scalar.clone()),
    };
    ScalarFunctionArgs { args: args.args.iter().map(part).collect(), number_rows: length, ..args.clone() }
}

/// An upper bound of the longest text that a function makes of its arguments, in bytes.
fn longest_text(function: &str, args: &ScalarFunctionArgs) -> Result<i64> {
    let mut lengths: Vec<Int64Array> = Vec::with_capacity(args.args.len());
    for value in &args.args {
        let array = value.to_array(args.number_rows)?;
        let is_text = matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        lengths.push(if is_text {
            let counted = arrow::compute::cast(&length(array.as_ref())?, &DataType::Int64)?;
            counted.as_primitive::<Int64Type>().clone()
        } else {
            Int64Array::from_value(LONGEST_NUMBER, args.number_rows)
        });
    }
    let of_row = |row: usize| {
        let length = |column: &Int64Array| if column.is_null(row) { 0 } else { column.value(row) };
        match (function, lengths.as_slice()) {
            // At worst every place of the text is replaced.
            ("replace", [text, _, with]) => (length(text) + 1).saturating_mul(length(with) + 1),
            ("concat_ws", [between, texts @ ..]) => {
                texts.iter().map(|text| length(text).saturating_add(length(between))).sum()
            }
            (_, texts) => texts.iter().map(length).sum(),
        }
    };
    Ok((0..args.number_rows).map(of_row).max().unwrap_or_default())
}

fn unexpected() -> DataFusionError {
    DataFusionError::Internal("an operator that is no arithmetic".to_owned())
}

impl ScalarUDFImpl for Total {
    fn name(&self) -> &str {
        match &self.inner {
            Inner::Function(function) => function.name(),
            Inner::Operator(Operator::Plus) => "plus",
            Inner::Operator(Operator::Minus) => "minus",
            Inner::Operator(Operator::Multiply) => "times",
            Inner::Operator(Operator::Divide) => "divided_by",
            Inner::Operator(Operator::StringConcat) => "joined_to",
            Inner::Operator(_) => "modulo",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match (&self.inner, arg_types) {
            (Inner::Function(function), _) => function.return_type(arg_types),
            (Inner::Operator(op), [left, right]) => BinaryTypeCoercer::new(left, op, right).get_result_type(),
            (Inner::Operator(_), _) => Err(unexpected()),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let data_type = match &self.inner {
            Inner::Function(function) => function.return_field_from_args(args)?.data_type().clone(),
            Inner::Operator(_) => {
                let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
                self.return_type(&types)?
            }
        };
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        if constant {
            let one = ScalarFunctionArgs { number_rows: 1, ..args };
            let array = self.halved(&one)?;
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        self.halved(&args).map(ColumnarValue::Array)
    }
}
