// Package reconcile makes what Nomad runs like what the database says should
// run. Plan and Classify decide, from values alone; Loop does, one action per
// workspace at a time. Nothing else in Bothy changes anything in Nomad.
//
// Everything that an action does can be done twice, and what it is about to
// submit is recorded before Nomad is asked. So it may die at any line: the next
// pass sees where it stood and goes on from there.
package reconcile
