// Package autonomy holds a user's one autonomy configuration: how urgent a
// signal report must be before a task may be started in that user's name.
//
// A user has at most one Config, which belongs to no organization or team.
// Having one means to opt in; a Config without a priority leaves the threshold
// to the team. Effective and Allowed are these rules as plain functions, for a
// host that decides about reports of its own.
package autonomy
