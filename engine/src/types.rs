//! SQL types as Flink names them, and the Arrow type that carries each.

use arrow_schema::{DataType as ArrowType, Field as ArrowField, Schema as ArrowSchema, TimeUnit};
use std::fmt;
use std::sync::Arc;

/// A SQL type without its nullability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataType {
    /// The type of a bare `NULL`.
    Null,
    /// `BOOLEAN`
    Boolean,
    /// `TINYINT`, 8 bits
    TinyInt,
    /// `SMALLINT`, 16 bits
    SmallInt,
    /// `INT`, 32 bits
    Int,
    /// `BIGINT`, 64 bits
    BigInt,
    /// `FLOAT`, 32 bits
    Float,
    /// `DOUBLE`, 64 bits
    Double,
    /// `DECIMAL(precision, scale)`, precision 1–38
    Decimal(u8, u8),
    /// `CHAR(n)`, n in code points
    Char(u32),
    /// `VARCHAR(n)`, n in code points; `STRING` is `VARCHAR(2147483647)`
    Varchar(u32),
    /// `BYTES`
    Bytes,
    /// `DATE`
    Date,
    /// `TIME(p)`
    Time(u8),
    /// `TIMESTAMP(p)`: a wall-clock reading without a zone, p in 0..=9
    Timestamp(u8),
    /// `TIMESTAMP_LTZ(p)`: a point in time, p in 0..=9
    TimestampLtz(u8),
    /// `INTERVAL` of years and months, counted in months
    IntervalYearMonth,
    /// `INTERVAL` of days to seconds, counted in milliseconds
    IntervalDayTime,
}

impl DataType {
    /// `STRING`
    pub const STRING: Self = Self::Varchar(i32::MAX as u32);

    /// Whether this is an integer type.
    pub fn is_integer(self) -> bool {
        matches!(self, Self::TinyInt | Self::SmallInt | Self::Int | Self::BigInt)
    }

    /// Whether this is a floating-point type.
    pub fn is_approximate(self) -> bool {
        matches!(self, Self::Float | Self::Double)
    }

    /// Whether this is a number.
    pub fn is_numeric(self) -> bool {
        self.is_integer() || self.is_approximate() || matches!(self, Self::Decimal(_, _))
    }

    /// Whether this is text.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Char(_) | Self::Varchar(_))
    }

    /// Whether this is a timestamp, with or without a zone.
    pub fn is_timestamp(self) -> bool {
        matches!(self, Self::Timestamp(_) | Self::TimestampLtz(_))
    }

    /// Whether this is an interval.
    pub fn is_interval(self) -> bool {
        matches!(self, Self::IntervalYearMonth | Self::IntervalDayTime)
    }

    /// The wider of two integer types.
    #[must_use]
    pub fn wider_integer(self, other: Self) -> Self {
        let rank = |t| match t {
            Self::TinyInt => 0,
            Self::SmallInt => 1,
            Self::Int => 2,
            _ => 3,
        };
        if rank(self) >= rank(other) { self } else { other }
    }

    /// The Arrow type that carries values of this type.
    ///
    /// Timestamps are integers in the coarsest unit that holds their precision; a point in time has the zone `UTC`.
    /// Day-time intervals are `Int64` milliseconds, year-month intervals `Int32` months.
    pub fn arrow(self) -> ArrowType {
        match self {
            Self::Null => ArrowType::Null,
            Self::Boolean => ArrowType::Boolean,
            Self::TinyInt => ArrowType::Int8,
            Self::SmallInt => ArrowType::Int16,
            Self::Int | Self::IntervalYearMonth => ArrowType::Int32,
            Self::BigInt | Self::IntervalDayTime => ArrowType::Int64,
            Self::Float => ArrowType::Float32,
            Self::Double => ArrowType::Float64,
            Self::Decimal(p, s) => ArrowType::Decimal128(p, s as i8),
            Self::Char(_) | Self::Varchar(_) => ArrowType::Utf8,
            Self::Bytes => ArrowType::Binary,
            Self::Date => ArrowType::Date32,
            Self::Time(_) => ArrowType::Time32(TimeUnit::Millisecond),
            Self::Timestamp(p) => ArrowType::Timestamp(time_unit(p), None),
            Self::TimestampLtz(p) => ArrowType::Timestamp(time_unit(p), Some("UTC".into())),
        }
    }
}

/// The coarsest Arrow unit that holds `precision` digits after the second.
pub fn time_unit(precision: u8) -> TimeUnit {
    match precision {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::TinyInt => f.write_str("TINYINT"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Int => f.write_str("INT"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Float => f.write_str("FLOAT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal(p, s) => write!(f, "DECIMAL({p}, {s})"),
            Self::Char(n) => write!(f, "CHAR({n})"),
            Self::Varchar(n) if *n == i32::MAX as u32 => f.write_str("STRING"),
            Self::Varchar(n) => write!(f, "VARCHAR({n})"),
            Self::Bytes => f.write_str("BYTES"),
            Self::Date => f.write_str("DATE"),
            Self::Time(p) => write!(f, "TIME({p})"),
            Self::Timestamp(p) => write!(f, "TIMESTAMP({p})"),
            Self::TimestampLtz(p) => write!(f, "TIMESTAMP_LTZ({p})"),
            Self::IntervalYearMonth => f.write_str("INTERVAL YEAR TO MONTH"),
            Self::IntervalDayTime => f.write_str("INTERVAL DAY TO SECOND"),
        }
    }
}

/// One column: a name, a type, and whether it may be null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The column's name, as written.
    pub name: String,
    /// The column's type.
    pub data_type: DataType,
    /// Whether null may stand in it.
    pub nullable: bool,
}

/// The columns of a table or of the rows between two operators, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    /// The columns.
    pub fields: Vec<Field>,
}

impl Schema {
    /// The Arrow schema of batches of such rows.
    pub fn arrow(&self) -> Arc<ArrowSchema> {
        let fields = self.fields.iter().map(|f| ArrowField::new(&f.name, f.data_type.arrow(), f.nullable));
        Arc::new(ArrowSchema::new(fields.collect::<Vec<_>>()))
    }

    /// The place of the column called `name` (exact case).
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }
}
