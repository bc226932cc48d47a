// SPDX-License-Identifier: Apache-2.0

package promql

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// checker knows what queries may name.
type checker struct {
	metrics map[string]metric
	words   map[string][]string
}

// check returns what is wrong with a query.
func (c *checker) check(query string) error {
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		return err
	}
	_, err = c.labels(expression)
	return err
}

// labels returns the labels that the result of an expression can have, and what is wrong in it.
func (c *checker) labels(node parser.Node) ([]string, error) {
	switch node := node.(type) {
	case *parser.VectorSelector:
		return c.selector(node)
	case *parser.AggregateExpr:
		inner, err := c.labels(node.Expr)
		err = errors.Join(err, missing(node.Grouping, inner, "the labels of "+node.Expr.String()))
		if node.Without {
			return slices.DeleteFunc(inner, func(label string) bool { return slices.Contains(node.Grouping, label) }), err
		}
		return node.Grouping, err
	case *parser.BinaryExpr:
		left, leftErr := c.labels(node.LHS)
		right, rightErr := c.labels(node.RHS)
		err := errors.Join(leftErr, rightErr)
		if matching := node.VectorMatching; matching != nil {
			err = errors.Join(err,
				missing(matching.MatchingLabels, left, "the labels of "+node.LHS.String()),
				missing(matching.MatchingLabels, right, "the labels of "+node.RHS.String()))
		}
		return slices.Concat(left, right), err
	}
	var all []string
	var errs []error
	for _, child := range parser.Children(node) {
		inner, err := c.labels(child)
		all, errs = append(all, inner...), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// selector returns the labels of the metric that is selected.
func (c *checker) selector(selector *parser.VectorSelector) ([]string, error) {
	known, found := c.metrics[selector.Name]
	all := slices.Concat(known.labels, targetLabels())
	if base, isBucket := strings.CutSuffix(selector.Name, "_bucket"); !found && isBucket && c.metrics[base].histogram {
		all, found = slices.Concat(c.metrics[base].labels, targetLabels(), []string{"le"}), true
	}
	if !found {
		return nil, fmt.Errorf("there is no metric %q", selector.Name)
	}
	var errs []error
	for _, matcher := range selector.LabelMatchers {
		if matcher.Name == "__name__" {
			continue
		}
		errs = append(errs, missing([]string{matcher.Name}, all, "the labels of "+selector.Name))
		if words := c.words[matcher.Name]; words != nil {
			// Each alternative has to be a word by itself, so that none is misspelled.
			errs = append(errs, missing(strings.Split(matcher.Value, "|"), words, "the words of "+matcher.Name))
		}
	}
	return all, errors.Join(errs...)
}

// missing returns an error for what is not among all.
func missing(some, all []string, what string) error {
	var errs []error
	for _, one := range some {
		if !slices.Contains(all, one) {
			errs = append(errs, fmt.Errorf("%q is not among %s: %s", one, what, strings.Join(all, ", ")))
		}
	}
	return errors.Join(errs...)
}
