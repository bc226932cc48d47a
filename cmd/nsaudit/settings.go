// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"
)

// envPrefix begins the names of the environment variables: --node-name is
// NSAUDIT_NODE_NAME.
const envPrefix = "NSAUDIT_"

// settingsHelp is the part of a command's help about applySettings.
const settingsHelp = `Every flag can be set by an environment variable (--node-name by NSAUDIT_NODE_NAME) and by
a key of the YAML file that --config names (node-name: a). The command line comes before
the environment, and that before the file.`

// configFlag names the file; it can't be in the file itself.
const configFlag = "config"

// maxConfig caps the configuration file.
const maxConfig = 1 << 20

// onCommandLine returns the flags that were given there, before applySettings sets others.
func onCommandLine(flags *pflag.FlagSet) map[string]bool {
	given := make(map[string]bool)
	flags.Visit(func(flag *pflag.Flag) { given[flag.Name] = true })
	return given
}

// applySettings sets the flags that were not given on the command line: from the environment,
// else from the configuration file, whose keys are the flags' names. It reports all errors
// together.
func applySettings(command string, flags *pflag.FlagSet, getenv func(string) string) error {
	var errs []error
	given := onCommandLine(flags)
	flags.VisitAll(func(flag *pflag.Flag) {
		name := envName(flag.Name)
		text := getenv(name)
		if given[flag.Name] || text == "" || flag.Name == "help" {
			return
		}
		given[flag.Name] = true
		if err := flags.Set(flag.Name, text); err != nil {
			errs = append(errs, fmt.Errorf("%s=%q: %w", name, text, cause(err)))
		}
	})
	if path := flags.Lookup(configFlag).Value.String(); path != "" {
		errs = append(errs, applyFile(command, flags, path, given))
	}
	return errors.Join(errs...)
}

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// applyFile sets the flags that the file names and that are not given otherwise.
func applyFile(command string, flags *pflag.FlagSet, path string, given map[string]bool) error {
	settings, err := readSettings(path)
	if err != nil {
		return err
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if flag := flags.Lookup(key); flag == nil || flag.Name != key || key == configFlag || key == "help" {
			errs = append(errs, fmt.Errorf("%s: unknown key %q: the keys are the names of the flags, see nsaudit %s --help", path, key, command))
			continue
		}
		if given[key] {
			continue
		}
		text, err := scalar(settings[key])
		if err == nil {
			err = flags.Set(key, text)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", path, key, cause(err)))
		}
	}
	return errors.Join(errs...)
}

// cause leaves out what pflag adds about the command line.
func cause(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// readSettings decodes the file, and refuses one that has a key twice.
func readSettings(path string) (map[string]any, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if info.Size() > maxConfig {
		return nil, fmt.Errorf("read configuration: %s has more than %d bytes", path, maxConfig)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	var settings map[string]any
	if err := yaml.UnmarshalStrict(text, &settings); err != nil {
		return nil, fmt.Errorf("read configuration: %s: %w", path, err)
	}
	return settings, nil
}

var errNotScalar = errors.New("want a single value")

// scalar turns a value of the file into what would stand on the command line.
func scalar(value any) (string, error) {
	switch value := value.(type) {
	case string:
		return value, nil
	case bool, float64, int64:
		return fmt.Sprint(value), nil
	}
	return "", errNotScalar
}
