// SPDX-License-Identifier: Apache-2.0

// Containers asks containers/image, the library of podman and skopeo, about signatures, in the way of these programs.
//
//	containers check POLICY REGISTRIES.D IMAGE FOLDER    pull the image into a folder, if the policy lets it
//	containers sign KEY PASSPHRASE REGISTRIES.D IMAGE    sign an image of a registry where it is
package main

import (
	"context"
	"fmt"
	"os"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker"
	_ "go.podman.io/image/v5/docker/archive" // for its scopes in a policy, as of the next two
	_ "go.podman.io/image/v5/oci/archive"
	_ "go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
)

func main() {
	run := map[string]func([]string) error{"check": check, "sign": sign}[os.Args[1]]
	if err := run(os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(args []string) error {
	policy, err := signature.NewPolicyFromFile(args[0])
	if err != nil {
		return err
	}
	destination, err := directory.NewReference(args[3])
	if err != nil {
		return err
	}
	return copyImage(policy, args[2], destination, &copy.Options{SourceCtx: system(args[1])})
}

func sign(args []string) error {
	policy := &signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}}
	destination, err := docker.ParseReference("//" + args[3])
	if err != nil {
		return err
	}
	return copyImage(policy, args[3], destination, &copy.Options{
		SourceCtx:                        system(args[2]),
		DestinationCtx:                   system(args[2]),
		SignBySigstorePrivateKeyFile:     args[0],
		SignSigstorePrivateKeyPassphrase: []byte(args[1]),
		RemoveSignatures:                 true,
	})
}

func copyImage(policy *signature.Policy, image string, destination types.ImageReference, options *copy.Options) error {
	source, err := docker.ParseReference("//" + image)
	if err != nil {
		return err
	}
	asked, err := signature.NewPolicyContext(policy)
	if err != nil {
		return err
	}
	defer asked.Destroy()
	_, err = copy.Image(context.Background(), asked, destination, source, options)
	return err
}

func system(registriesD string) *types.SystemContext {
	return &types.SystemContext{RegistriesDirPath: registriesD, DockerInsecureSkipTLSVerify: types.OptionalBoolTrue}
}
