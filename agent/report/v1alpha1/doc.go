// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the documents that nsaudit writes for scripts and other programs:
// what "nsaudit scan -o json" prints.
//
// It has plain types, and imports nothing else of nsaudit, so that any program can decode the
// documents. Their JSON Schema is docs/schema/v1alpha1/scan.json.
//
// All texts in a document that processes, images or pods chose are escaped: it holds no
// control character, and can be shown as it is.
package v1alpha1
