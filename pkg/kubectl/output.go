package kubectl

import (
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// output is the format that --output asks for; the empty one is for people.
type output struct {
	format string
	flags  genericclioptions.JSONYamlPrintFlags
}

func addOutput(cmd *cobra.Command, o *output) {
	formats := o.flags.AllowedFormats()
	cmd.Flags().StringVarP(&o.format, "output", "o", "", "output format: "+strings.Join(formats, " or ")+"; a table by default")
	o.flags.AddFlags(cmd)
	complete(cmd, "output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	cmd.PreRunE = func(*cobra.Command, []string) error { return o.check() }
}

// check refuses a format before anything is asked or done.
func (o *output) check() error {
	if o.format == "" {
		return nil
	}
	_, err := o.flags.ToPrinter(o.format)
	return err
}

// print writes an object in the format that is asked for, or the page.
func (p *plugin) print(o output, object runtime.Object, fill func(*page)) error {
	if o.format == "" {
		return write(p.streams.Out, p.now(), fill)
	}
	printer, err := o.flags.ToPrinter(o.format)
	if err != nil {
		return err
	}
	known, err := scheme()
	if err != nil {
		return err
	}
	return printers.NewTypeSetter(known).ToPrinter(printer).PrintObj(object, p.streams.Out)
}

func pathSetList(sets []v1alpha1.NVMePathSet) *v1alpha1.NVMePathSetList {
	list := &v1alpha1.NVMePathSetList{Items: []v1alpha1.NVMePathSet{}}
	for _, set := range sets {
		set.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NVMePathSet"))
		list.Items = append(list.Items, set)
	}
	return list
}
