//! Tokens to an analysed plan, through our own context: only permitted tables, permitted
//! columns and registered functions can be resolved at all.
//!
//! Nothing global is reachable: no `information_schema`, no variables, no table
//! functions, no file formats. A planning error of the engine may quote the statement, so
//! only its kind is used; its text goes nowhere.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, Result as EngineResult, SchemaError, TableReference};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner};
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF};
use datafusion::optimizer::Analyzer;
use datafusion::sql::planner::SqlToRel;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::TokenWithSpan;
use oscar_permit::TableRef;

use super::expansion::check_expansion;
use super::functions::Functions;
use super::refusal::{GateRefusal, RefusalCode};
use super::text::MAX_NESTING;
use crate::catalog::PermittedCatalog;

/// A permitted table as the planner sees it: names and types, no data behind it.
#[derive(Debug)]
pub(crate) struct PermittedSource {
    pub(crate) table: TableRef,
    schema: SchemaRef,
}

impl TableSource for PermittedSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// Parses exactly one query.
pub(crate) fn parse(tokens: Vec<TokenWithSpan>) -> Result<Statement, GateRefusal> {
    let dialect = GenericDialect {};
    // CASE and parentheses are capped on tokens already; the parser's own counter also
    // counts prefix operators and precedence levels, hence the factor.
    let mut parser = Parser::new(&dialect).with_recursion_limit(MAX_NESTING * 5).with_tokens_with_locations(tokens);
    let mut statements = parser.parse_statements().map_err(|error| match error {
        ParserError::RecursionLimitExceeded => GateRefusal::new(RefusalCode::TooDeep, "statement"),
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            GateRefusal::new(RefusalCode::Syntax, location_in(&text))
        }
    })?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement @ Statement::Query(_)), true) => {
            check_expansion(&statement)?;
            Ok(statement)
        }
        (Some(_), true) => Err(GateRefusal::new(RefusalCode::StatementRefused, "statement")),
        (_, false) | (None, _) => Err(GateRefusal::new(RefusalCode::NotOneStatement, "statement")),
    }
}

/// The parser ends its message with `at Line: 1, Column: 7`; only the numbers are kept.
fn location_in(message: &str) -> String {
    let numbers = message.rsplit_once("at Line: ").and_then(|(_, rest)| {
        let (line, column) = rest.split_once(", Column: ")?;
        Some((line.parse::<u64>().ok()?, column.trim().parse::<u64>().ok()?))
    });
    numbers.map_or_else(|| "statement".to_owned(), |(line, column)| format!("line {line}, column {column}"))
}

/// Plans a query against the catalog and analyses it (types coerced).
pub(crate) fn plan(statement: Statement, catalog: &PermittedCatalog) -> Result<LogicalPlan, GateRefusal> {
    let context = PermittedContext::new(catalog);
    let planned = SqlToRel::new(&context).sql_statement_to_plan(statement);
    let analysed = planned.and_then(|plan| Analyzer::new().execute_and_check(plan, context.options(), |_, _| {}));
    analysed.map_err(|error| context.refusal(&error))
}

struct PermittedContext<'a> {
    catalog: &'a PermittedCatalog,
    functions: &'static Functions,
    planners: Vec<Arc<dyn ExprPlanner>>,
    options: ConfigOptions,
    sources: HashMap<TableRef, Arc<dyn TableSource>>,
    missing_table: Cell<bool>,
    missing_function: Cell<bool>,
}

impl<'a> PermittedContext<'a> {
    fn new(catalog: &'a PermittedCatalog) -> Self {
        let mut options = ConfigOptions::new();
        options.sql_parser.map_string_types_to_utf8view = false;
        let sources = catalog
            .tables
            .iter()
            .map(|(reference, table)| {
                let source = PermittedSource { table: reference.clone(), schema: table.schema() };
                (reference.clone(), Arc::new(source) as Arc<dyn TableSource>)
            })
            .collect();
        Self {
            catalog,
            functions: Functions::registered(),
            planners: SessionStateDefaults::default_expr_planners(),
            options,
            sources,
            missing_table: Cell::new(false),
            missing_function: Cell::new(false),
        }
    }

    fn refusal(&self, error: &DataFusionError) -> GateRefusal {
        let code = if self.missing_table.get() {
            RefusalCode::UnknownTable
        } else if let DataFusionError::SchemaError(schema, _) = error.find_root() {
            match schema.as_ref() {
                SchemaError::FieldNotFound { .. } | SchemaError::AmbiguousReference { .. } => {
                    RefusalCode::UnknownColumn
                }
                SchemaError::DuplicateQualifiedField { .. } | SchemaError::DuplicateUnqualifiedField { .. } => {
                    RefusalCode::DuplicateColumn
                }
            }
        } else if self.missing_function.get() {
            RefusalCode::FunctionNotAllowed
        } else if matches!(error.find_root(), DataFusionError::NotImplemented(_)) {
            RefusalCode::QueryFormRefused
        } else {
            RefusalCode::NotUnderstood
        };
        GateRefusal::new(code, "statement")
    }
}

impl ContextProvider for PermittedContext<'_> {
    fn get_table_source(&self, name: TableReference) -> EngineResult<Arc<dyn TableSource>> {
        let found = match &name {
            TableReference::Bare { table } => self.catalog.resolve(None, table),
            TableReference::Partial { schema, table } => self.catalog.resolve(Some(schema), table),
            TableReference::Full { .. } => None,
        };
        let source = found.and_then(|(reference, _)| self.sources.get(reference));
        source.cloned().ok_or_else(|| {
            self.missing_table.set(true);
            DataFusionError::Plan("table not found".to_owned())
        })
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.functions.scalar(name)
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        let found = self.functions.aggregate(name);
        // The planner asks for scalars, then windows, then aggregates: a name that is
        // none of them is an unknown function.
        if found.is_none() && self.functions.scalar(name).is_none() && self.functions.window(name).is_none() {
            self.missing_function.set(true);
        }
        found
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.functions.window(name)
    }

    fn get_variable_type(&self, _variable_names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    // Names of functions are only used for "did you mean" texts, which nobody sees.
    fn udf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}
