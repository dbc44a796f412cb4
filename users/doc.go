// Package users holds accounts: their settings, the organizations and teams
// they belong to, and the rules by which they change.
//
// A user belongs to organizations by memberships. One organization and one of
// its teams are current; when they are missing, reading the user through
// Service.View chooses and stores them. Every write of a user raises its
// Version, and every change is written in one transaction with an Event.
//
// The events are the activity log: Service.Events reads it, and a Feed delivers
// it to a consumer, at least once and in order.
//
// Rules live in Service. A Store only keeps records and enforces existence and
// uniqueness; the storage packages implement it.
package users
