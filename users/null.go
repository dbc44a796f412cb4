package users

// Null is a value that may be missing. The zero value is missing.
type Null[T any] struct {
	Value T
	Valid bool
}

// Some returns v as a Null that is not missing.
func Some[T any](v T) Null[T] { return Null[T]{Value: v, Valid: true} }

// Field is one member of a patch: absent, null, a value, or something that
// could not be read as a T. The zero value is absent, which leaves the stored
// value alone.
type Field[T any] struct {
	Value T
	Set   bool   // the member was sent
	Null  bool   // it was sent as null
	Err   *Error // why it could not be read; reported when validation gets here
}

// Set returns a Field that carries v.
func Set[T any](v T) Field[T] { return Field[T]{Value: v, Set: true} }

// SetNull returns a Field that carries null.
func SetNull[T any]() Field[T] { return Field[T]{Set: true, Null: true} }

// JSON is one JSON value as text. The empty string stands for null. It is a
// string so that copies share nothing.
type JSON string

// Secret is text that must not be printed, such as a password hash. Formatting
// it in any way gives "[secret]".
type Secret string

// String returns "[secret]".
func (Secret) String() string { return "[secret]" }

// GoString returns "[secret]".
func (Secret) GoString() string { return "[secret]" }
