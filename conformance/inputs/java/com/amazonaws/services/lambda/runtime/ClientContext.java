package com.amazonaws.services.lambda.runtime;

/** Stands in for the interface of this name in aws-lambda-java-core. */
public interface ClientContext {
    Client getClient();

    java.util.Map<String, String> getCustom();

    java.util.Map<String, String> getEnvironment();
}
